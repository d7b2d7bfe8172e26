"""Folds the topics into what the read models must hold, and compares rows (T5, I16). No I/O.

Written without the projections' own rules, so that a fault in those is seen here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from replay.account_fold import movement_credits
from replay.checks import Check
from schemas.base import Event, JobEvent
from schemas.envelope import Envelope
from schemas.generation import (
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationPolled,
    GenerationSubmitted,
    SubmissionIntended,
)
from schemas.ledger import (
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    LedgerEvent,
    LedgerJobEvent,
    ReservationDeclined,
)
from schemas.requests import GenerationRequested

RowKey = tuple[str | int, ...]
RowValues = tuple[object, ...]
_END_RANK = 9
RANKS: Mapping[str, int] = {
    "requested": 0,
    "rejected": 1,
    "pending": 1,
    "processing": 2,
    "downloading": 3,
    "completed": _END_RANK,
    "failed": _END_RANK,
    "cancelled": _END_RANK,
}
_STATUSES: Mapping[type[Event], str] = {
    GenerationRequested: "requested",
    ReservationDeclined: "rejected",
    CreditsReserved: "pending",
    CreditsRefundedByHand: "pending",
    SubmissionIntended: "pending",
    GenerationSubmitted: "processing",
    GenerationPolled: "processing",
    DownloadStarted: "downloading",
    GenerationCompleted: "completed",
}
_FILLING: frozenset[type[Event]] = frozenset(
    {
        CreditsReserved,
        CreditsRefunded,
        CreditsRefundedByHand,
        CreditsSettled,
        GenerationSubmitted,
        GenerationCompleted,
    }
)
_MOVING: frozenset[type[Event]] = frozenset(
    {CreditsGranted, CreditsAdjusted, CreditsReserved, CreditsRefunded, CreditsRefundedByHand}
)


@dataclass(slots=True)
class GenerationRow:
    """What is compared of one row of `generations`; fields stand in the order of its columns."""

    account_id: str
    status: str
    price_credits: int | None = None
    refunded_credits: int | None = None
    operation_id: str | None = None
    object_key: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None

    def values(self) -> RowValues:
        """Give the row as Postgres gives it."""
        return (
            self.account_id,
            self.status,
            self.price_credits,
            self.refunded_credits,
            self.operation_id,
            self.object_key,
            self.sha256,
            self.size_bytes,
        )


class ReadModelFold:
    """One partition's rows as the log makes them; the caller stops at Postgres' own offsets."""

    def __init__(self) -> None:
        self.generations: dict[str, dict[str, GenerationRow]] = {}
        self.transactions: dict[str, dict[int, RowValues]] = {}

    def apply(self, envelope: Envelope) -> None:
        """Apply one event."""
        event = envelope.event
        # By type first: most events are polls, and whatever is asked of each is asked 10^7 times.
        event_type = type(event)
        status = _STATUSES.get(event_type) or _status(event)
        if status is not None:
            assert isinstance(event, JobEvent | LedgerJobEvent), "only jobs have a status"
            rows = self.generations.setdefault(event.account_id, {})
            row = rows.get(event.job_id)
            if row is None:
                row = rows[event.job_id] = GenerationRow(event.account_id, status)
            elif RANKS[status] > RANKS[row.status]:
                row.status = status
            if event_type in _FILLING:
                _fill(row, event)
        kind = _transaction_type(event) if event_type in _MOVING else None
        if kind is not None:
            assert isinstance(event, LedgerEvent), "only the ledger moves credits"
            self.transactions.setdefault(event.account_id, {})[event.sequence] = (
                envelope.event_id,
                kind,
                movement_credits(event),
                event.balance_after,
            )


def _status(event: Event) -> str | None:
    if isinstance(event, CreditsRefunded):
        return event.outcome
    if isinstance(event, CreditsSettled):
        return "cancelled" if event.outcome == "cancelled" else None
    if isinstance(event, GenerationCancelled):
        return None if event.cost_micro_dollars is None else "pending"
    return None


def _fill(row: GenerationRow, event: Event) -> None:
    match event:
        case CreditsReserved(price_credits=price):
            row.price_credits = price if row.price_credits is None else row.price_credits
        case CreditsRefunded(amount_credits=amount) | CreditsRefundedByHand(amount_credits=amount):
            row.refunded_credits = max(amount, row.refunded_credits or 0)
        case CreditsSettled():
            row.refunded_credits = row.refunded_credits or 0
        case GenerationSubmitted(operation_id=operation_id):
            row.operation_id = row.operation_id or operation_id
        case GenerationCompleted(media=media) if row.object_key is None:
            row.object_key = media.object_key
            row.sha256 = media.sha256
            row.size_bytes = media.size_bytes
        case _:
            return


def _transaction_type(event: Event) -> str | None:
    match event:
        case CreditsGranted():
            return "credit_grant"
        case CreditsAdjusted():
            return "credit_adjustment"
        case CreditsReserved() | CreditsRefunded() | CreditsRefundedByHand():
            return event.transaction_type
        case _:
            return None


class RowComparison:
    """Holds a table's rows, as they come, against those that the log makes."""

    def __init__(
        self,
        check: Check,
        table: str,
        columns: tuple[str, ...],
        expected: dict[RowKey, RowValues],
        *,
        strangers_named: bool = True,
    ) -> None:
        self._check = check
        self._table = table
        self._columns = columns
        self._expected = expected
        self._strangers_named = strangers_named

    def row(self, key: RowKey, values: RowValues) -> None:
        """Compare one row; each is expected once."""
        self._check.looked_at += 1
        expected = self._expected.pop(key, None)
        if expected is None:
            if self._strangers_named:
                self._check.wrong(f"{self._table} {_spelled(key)}: the log knows of no such row")
            return
        for column, found, wanted in zip(self._columns, values, expected, strict=True):
            if found != wanted:
                self._check.wrong(
                    f"{self._table} {_spelled(key)}: {column} is {found!r}, the log says {wanted!r}"
                )

    def finish(self) -> None:
        """Take down the rows that are missing."""
        for key in self._expected:
            self._check.looked_at += 1
            self._check.wrong(f"{self._table} {_spelled(key)}: the row is missing")


def _spelled(key: RowKey) -> str:
    return " ".join(map(str, key))
