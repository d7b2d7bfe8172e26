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
    `faulty_downloads`: how many downloads of each file are spoiled, None for all.
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


class OperationState(Enum):
    RUNNING = auto()
    DONE = auto()
    FILTERED = auto()


class Operations:
    """Accepted work by its id."""

    def __init__(self, clock: GenerationClock) -> None:
        self._clock = clock
        self._by_id: dict[str, Operation] = {}
        self._ready_at: dict[str, float] = {}  # monotonic seconds
        self._polls_when_done: dict[str, int] = {}  # of those that go backwards

    def add(self, operation: Operation) -> None:
        """Take in work; also work that an earlier process accepted."""
        age_seconds = self._clock.unix_seconds() - operation.accepted_at
        self._by_id[operation.operation_id] = operation
        self._ready_at[operation.operation_id] = (
            self._clock.monotonic_seconds() - age_seconds + operation.generation_seconds
        )

    def find(self, provider: str, model: str, operation_id: str) -> Operation | None:
        """Return the operation that this provider and model know by this id."""
        operation = self._by_id.get(operation_id)
        if operation is None or (operation.provider, operation.model) != (provider, model):
            return None
        return operation

    def poll(self, operation: Operation) -> OperationState:
        """Tell how far an operation is, as its fault has it."""
        if operation.fault is FaultKind.NEVER_FINISH:
            return OperationState.RUNNING
        if self._clock.monotonic_seconds() < self._ready_at[operation.operation_id]:
            return OperationState.RUNNING
        if operation.fault is FaultKind.SAFETY_BLOCK:
            return OperationState.FILTERED
        if operation.fault is FaultKind.BACKWARDS and self._goes_back(operation.operation_id):
            return OperationState.RUNNING
        return OperationState.DONE

    def _goes_back(self, operation_id: str) -> bool:
        """Say yes to the second poll of a finished operation only."""
        polls = self._polls_when_done.get(operation_id, 0) + 1
        self._polls_when_done[operation_id] = polls
        return polls == 2  # noqa: PLR2004  done, running, done


def new_id() -> str:
    """Return an unused id, of lower-case letters and digits: all that every SDK can read."""
    return secrets.token_hex(8)
