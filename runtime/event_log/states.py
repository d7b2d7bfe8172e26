"""A lane's memory: what its state topic says, and the changes of the batch in hand."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Protocol

import msgspec
from pydantic import BaseModel


class StateCodec(Protocol):
    """How a processor's states become bytes and back."""

    def knows(self, key: str) -> bool:
        """Say whether a state of this kind of key can be read at all."""
        ...

    def encode(self, state: object) -> bytes:
        """Write one state."""
        ...

    def decode(self, key: str, value: bytes) -> object:
        """Read the state that stands under `key`."""
        ...


class PrefixCodec:
    """Reads each state by the part of its key before the first slash."""

    def __init__(self, types_by_prefix: Mapping[str, type]) -> None:
        self._decoders: dict[str, msgspec.json.Decoder[object]] = {
            prefix: msgspec.json.Decoder(state_type, dec_hook=_read_model)
            for prefix, state_type in types_by_prefix.items()
        }
        self._encoder = msgspec.json.Encoder(enc_hook=_write_model)

    def knows(self, key: str) -> bool:
        """Say whether the key's prefix was declared."""
        return key.partition("/")[0] in self._decoders

    def encode(self, state: object) -> bytes:
        """Write one state as JSON."""
        return self._encoder.encode(state)

    def decode(self, key: str, value: bytes) -> object:
        """Read one state.

        Raises: KeyError for a prefix nobody declared; msgspec.DecodeError for a changed shape.
        """
        return self._decoders[key.partition("/")[0]].decode(value)


def _write_model(value: object) -> object:
    assert isinstance(value, BaseModel), f"a state holds a {type(value).__name__}"
    return value.model_dump(mode="json", exclude_none=True)


def _read_model(wanted: type, value: object) -> object:
    assert issubclass(wanted, BaseModel), f"a state holds a {wanted.__name__}"
    # Not strict: JSON has no times and no tuples of its own.
    return _shared(wanted.model_validate(value, strict=False))


# 1,024: settings repeat, one object stands for all equal ones; what does not repeat falls out.
@lru_cache(maxsize=1024)
def _shared(model: BaseModel) -> BaseModel:
    return model


Decode = Callable[[str, bytes], object]


def _as_it_is(_: str, value: bytes) -> object:
    return value


class States:
    """The committed states of one lane, by key; each is decoded when it is first asked for.

    Most of what a lane is given at its opening is not asked for soon: a million accounts are ready
    in the time it takes to read them (benchmark P9).
    """

    def __init__(
        self, undecoded: Mapping[str, bytes] | None = None, decode: Decode = _as_it_is
    ) -> None:
        self._undecoded = dict(undecoded or {})
        self._decode = decode
        self._by_key: dict[str, object] = {}

    def __len__(self) -> int:
        return len(self._by_key) + len(self._undecoded)

    def get(self, key: str) -> object | None:
        """Give a state, or None where there is none."""
        state = self._by_key.get(key)
        if state is None and self._undecoded:
            value = self._undecoded.pop(key, None)
            if value is not None:
                state = self._by_key[key] = self._decode(key, value)
        return state

    def load(self, key: str, state: object | None) -> None:
        """Take over one state; None ends it."""
        if self._undecoded:
            self._undecoded.pop(key, None)
        if state is None:
            self._by_key.pop(key, None)
        else:
            self._by_key[key] = state

    def __iter__(self) -> Iterator[str]:
        """Walk over the keys there are now; nothing is decoded."""
        return iter((*self._by_key, *self._undecoded))

    def items(self) -> Iterator[tuple[str, object]]:
        """Walk over all states with their keys."""
        self._decode_all()
        return iter(self._by_key.items())

    def values(self) -> Iterator[object]:
        """Walk over all states."""
        self._decode_all()
        return iter(self._by_key.values())

    def _decode_all(self) -> None:
        for key in tuple(self._undecoded):
            self.get(key)


class Overlay:
    """The states as the batch in hand sees them; nothing is remembered until it is committed."""

    def __init__(self, states: States) -> None:
        self._states = states
        self._changed: dict[str, object | None] = {}
        self._pending: dict[str, object | None] = {}

    def get(self, key: str) -> object | None:
        """Give the newest state under a key."""
        for changes in (self._pending, self._changed):
            if key in changes:
                return changes[key]
        return self._states.get(key)

    def put(self, key: str, state: object | None) -> None:
        """Set a state; None ends it."""
        if state is None and self.get(key) is None:
            return
        self._pending[key] = state

    def keep(self) -> None:
        """Take the changes of the input just decided into the batch."""
        self._changed.update(self._pending)
        self._pending.clear()

    def drop(self) -> None:
        """Forget the changes of an input that could not be decided."""
        self._pending.clear()

    @property
    def changed(self) -> Mapping[str, object | None]:
        """What the batch changed so far."""
        return self._changed

    def commit(self) -> None:
        """Move the batch's changes into the lane's memory."""
        for key, state in self._changed.items():
            self._states.load(key, state)
