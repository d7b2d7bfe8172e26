"""The work that providers accepted: when it is done, and which files come of it."""

import secrets
from dataclasses import dataclass
from enum import Enum, auto

from simulator.clock import GenerationClock
from simulator.faults import FaultKind
from simulator.video import Clip


@dataclass(frozen=True, slots=True)
class Operation:
    """One accepted generation.

    Units: `accepted_at` in seconds since 1970, so that a later process can go on with it.
    `queue_share`: the part of its time that it waits before it starts.
    `faulty_downloads`: how many downloads of each file are spoiled, None for all.
    `storage_uri`: where its files were asked to be put, None for nowhere in particular.
    """

    operation_id: str
    provider: str
    model: str
    clip: Clip
    file_ids: tuple[str, ...]
    accepted_at: float
    generation_seconds: float
    fault: FaultKind | None
    faulty_downloads: int | None
    queue_share: float = 0.0
    storage_uri: str | None = None

    @property
    def queue_seconds(self) -> float:
        """How long it waits before it starts."""
        return self.generation_seconds * self.queue_share


class OperationState(Enum):
    QUEUED = auto()
    RUNNING = auto()
    DONE = auto()
    FILTERED = auto()
    CANCELLED = auto()


class Operations:
    """Accepted work by its id."""

    def __init__(self, clock: GenerationClock) -> None:
        self._clock = clock
        self._by_id: dict[str, Operation] = {}
        self._ready_at: dict[str, float] = {}  # monotonic seconds
        self._starts_at: dict[str, float] = {}  # monotonic seconds; of those that wait
        self._cancelled: set[str] = set()
        self._polls_when_done: dict[str, int] = {}  # of those that go backwards

    def add(self, operation: Operation) -> None:
        """Take in work; also work that an earlier process accepted."""
        age_seconds = self._clock.unix_seconds() - operation.accepted_at
        self._by_id[operation.operation_id] = operation
        accepted_at = self._clock.monotonic_seconds() - age_seconds
        self._ready_at[operation.operation_id] = accepted_at + operation.generation_seconds
        if operation.queue_share:
            self._starts_at[operation.operation_id] = accepted_at + operation.queue_seconds

    def find(self, provider: str, operation_id: str) -> Operation | None:
        """Return the operation that this provider knows by this id."""
        operation = self._by_id.get(operation_id)
        return operation if operation and operation.provider == provider else None

    def poll(self, operation: Operation) -> OperationState:
        """Tell a client how far an operation is, as its fault has it."""
        state = self.state(operation)
        if (
            state is OperationState.DONE
            and operation.fault is FaultKind.BACKWARDS
            and self._goes_back(operation.operation_id)
        ):
            return OperationState.RUNNING
        return state

    def state(self, operation: Operation) -> OperationState:
        """Return how far an operation really is."""
        if operation.operation_id in self._cancelled:
            return OperationState.CANCELLED
        now = self._clock.monotonic_seconds()
        if now < self._starts_at.get(operation.operation_id, now):
            return OperationState.QUEUED
        if operation.fault is FaultKind.NEVER_FINISH:
            return OperationState.RUNNING
        if now < self._ready_at[operation.operation_id]:
            return OperationState.RUNNING
        if operation.fault is FaultKind.SAFETY_BLOCK:
            return OperationState.FILTERED
        return OperationState.DONE

    def queue_position(self, operation: Operation) -> int:
        """Return how many earlier ones still wait for their start."""
        now = self._clock.monotonic_seconds()
        self._starts_at = {
            each: starts_at for each, starts_at in self._starts_at.items() if now < starts_at
        }
        waiting = list(self._starts_at)
        return waiting.index(operation.operation_id) if operation.operation_id in waiting else 0

    def cancel(self, operation_id: str) -> None:
        """End an operation without a result."""
        self._cancelled.add(operation_id)
        self._starts_at.pop(operation_id, None)

    def _goes_back(self, operation_id: str) -> bool:
        """Say yes to the second poll of a finished operation only."""
        polls = self._polls_when_done.get(operation_id, 0) + 1
        self._polls_when_done[operation_id] = polls
        return polls == 2  # noqa: PLR2004  done, running, done


def new_id() -> str:
    """Return an unused id, of lower-case letters and digits: all that every SDK can read."""
    return secrets.token_hex(8)
