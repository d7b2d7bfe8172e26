"""The count of paid work: one row for every submission that any provider received."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from simulator.faults import FaultKind


@dataclass(frozen=True, slots=True)
class Submission:
    """One submission as the provider saw it.

    `billed`: the provider started work that it charges for. `status`: the HTTP status of its
    answer, or "dropped" if the connection was cut instead. `received_at`: RFC 3339, UTC.
    """

    provider: str
    model: str
    operation: str | None
    prompt: str | None
    received_at: str
    billed: bool
    status: int | Literal["dropped"]
    fault: FaultKind | None


class SubmissionLedger:
    """All submissions since the last clearing, oldest first."""

    def __init__(self) -> None:
        self._rows: list[Submission] = []

    def __iter__(self) -> Iterator[Submission]:
        return iter(self._rows)

    def add(self, row: Submission) -> None:
        """Add a row at the end."""
        self._rows.append(row)

    def unbill(self, operation: str) -> None:
        """Take back the bill of an operation; none is there if the rows were cleared meanwhile."""
        for index, row in enumerate(self._rows):
            if row.operation == operation:
                self._rows[index] = replace(row, billed=False)

    def clear(self) -> int:
        """Forget all rows; return how many there were."""
        count = len(self._rows)
        self._rows.clear()
        return count
