"""A lane's memory: what its state topic says, and the changes of the batch in hand."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Protocol

import msgspec
from pydantic import BaseModel

from runtime.event_log.packing import Packing

# Packing takes 8 microseconds, and of less than this it would save little.
PACKED_FROM_BYTES = 512


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
Encode = Callable[[object], bytes]


class States:
    """The committed states of one lane, by key.

    The last used are kept as objects, at most `used_max`; all others as bytes, which take a third
    of the memory or less (benchmark P10). What a lane is given at its opening is decoded when it is
    first asked for: a million accounts are ready in the time it takes to read them (P9).
    Without `encode` all that were ever used are kept as objects.
    """

    def __init__(
        self,
        read: Mapping[str, bytes] | None = None,
        decode: Decode | None = None,
        encode: Encode | None = None,
        used_max: int = 0,
    ) -> None:
        self._decode = decode
        self._encode = encode
        self._used_max = used_max
        # Beside its bytes where it was read only, without them where it was changed.
        self._used: OrderedDict[str, object] = OrderedDict()
        self._bytes = dict(read or {})
        self._packed: dict[str, bytes] = {}
        self._packing = Packing()

    def __len__(self) -> int:
        return len(self._bytes) + len(self._packed) + len(self._changed())

    def __iter__(self) -> Iterator[str]:
        """Walk over the keys there are now; nothing is decoded."""
        return iter((*self._bytes, *self._packed, *self._changed()))

    def get(self, key: str) -> object | None:
        """Give a state, or None where there is none; it counts as used."""
        state = self.look(key)
        if state is not None:
            self._use(key, state)
        return state

    def look(self, key: str) -> object | None:
        """Give a state without counting it as used."""
        state = self._used.get(key)
        if state is not None or self._decode is None:
            return state
        value = self._bytes.get(key)
        if value is None and key in self._packed:
            value = self._packing.unpack(key, self._packed[key])
        return None if value is None else self._decode(key, value)

    def load(self, key: str, state: object | None) -> None:
        """Take over one state; None ends it."""
        self._bytes.pop(key, None)
        self._packed.pop(key, None)
        if state is None:
            self._used.pop(key, None)
        else:
            self._use(key, state)

    def items(self) -> Iterator[tuple[str, object]]:
        """Walk over all states with their keys; none counts as used."""
        for key in self:
            state = self.look(key)
            if state is not None:
                yield key, state

    def values(self) -> Iterator[object]:
        """Walk over all states; none counts as used."""
        return (state for _, state in self.items())

    def _use(self, key: str, state: object) -> None:
        self._used[key] = state
        self._used.move_to_end(key)
        if self._encode is not None and len(self._used) > self._used_max:
            self._put_away(*self._used.popitem(last=False), self._encode)

    def _put_away(self, key: str, state: object, encode: Encode) -> None:
        if key in self._packed:
            return
        value = self._bytes.get(key) or encode(state)
        if len(value) < PACKED_FROM_BYTES:
            self._bytes[key] = value
        else:
            self._packed[key] = self._packing.pack(key, value)
            self._bytes.pop(key, None)

    def _changed(self) -> list[str]:
        bytes_of = self._bytes, self._packed
        return [key for key in self._used if not any(key in kept for kept in bytes_of)]


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
