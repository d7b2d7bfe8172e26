"""What a lane needs to know of its processor: topics, states, and how an input is decided."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from runtime.event_log.states import Overlay, StateCodec, States
from schemas.codec import Headers
from schemas.envelope import Envelope
from schemas.topics import Topic


class InputRecord(NamedTuple):
    """One record of an input topic.

    `previous_offset` is that of the record delivered before it: the lane checks the chain, so that
    a record lost between broker and lane stops the worker instead of passing unseen.
    """

    topic: str
    offset: int
    previous_offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class LaneHandle(Protocol):
    """What a processor may do with one of its open lanes."""

    partition: int
    states: States

    async def decide(self, command: object) -> None:
        """Have a command of this worker decided; return once it is committed.

        Raises: LaneClosedError if the lane closed before.
        """
        ...

    async def readable(self) -> None:
        """Return once others can read every event that is committed now."""
        ...


class LaneClosedError(Exception):
    """The lane went to another owner; what was asked of it was not decided here."""


class LaneCompanion(Protocol):
    """What a processor runs beside one lane, such as its calls to providers."""

    def opened(self) -> None:
        """Start from the lane's states."""
        ...

    def committed(self, changed: Mapping[str, object | None], written: Sequence[Envelope]) -> None:
        """See which states a transaction changed (None is an ended one) and what it wrote."""
        ...

    async def close(self) -> None:
        """Stop; what is in flight may be brought to its end within a few seconds."""
        ...


class Program(Protocol):
    """One processor: a single writer of one topic."""

    name: str
    output: Topic
    state: Topic
    # How many states a lane of it keeps as objects, those that it used last.
    used_states_max: int

    @property
    def inputs(self) -> tuple[Topic, ...]:
        """The topics it reads."""
        ...

    @property
    def codec(self) -> StateCodec:
        """How its states become bytes."""
        ...

    def decide_event(self, envelope: Envelope, states: Overlay) -> Sequence[Envelope]:
        """Answer one event of an input topic."""
        ...

    def decide_command(self, command: object, states: Overlay) -> Sequence[Envelope]:
        """Answer one command of this worker."""
        ...

    def companion(self, lane: LaneHandle) -> LaneCompanion:
        """Make what runs beside a lane that is about to open."""
        ...
