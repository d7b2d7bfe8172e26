"""Pairs each ledger event of one partition with the one request or job end it answers. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from replay.checks import Check, Checks
from replay.unique_ids import RecentIds, place
from schemas.base import Event
from schemas.envelope import Envelope
from schemas.generation import GenerationCancelled, GenerationCompleted, GenerationFailed
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    HandRefundDeclined,
    LedgerJobEvent,
    ReservationDeclined,
)
from schemas.requests import (
    CancellationRequested,
    CreditAdjustmentRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
)
from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS, REQUESTS

ANSWERS: Mapping[type[Event], tuple[type[Event], ...]] = {
    GenerationRequested: (CreditsReserved, ReservationDeclined),
    CancellationRequested: (CancellationAccepted, CancellationDeclined),
    CreditGrantRequested: (CreditsGranted, CreditChangeDeclined),
    CreditAdjustmentRequested: (CreditsAdjusted, CreditChangeDeclined),
    HandRefundRequested: (CreditsRefundedByHand, HandRefundDeclined),
    GenerationCompleted: (CreditsSettled,),
    GenerationFailed: (CreditsRefunded,),
    GenerationCancelled: (CreditsSettled, CreditsRefunded),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, small enough to keep until it is answered."""

    offset: int
    event_type: type[Event]
    account_id: str
    job_id: str | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A ledger event whose cause is no request: it must be a job's end."""

    offset: int
    event_type: type[Event]
    account_id: str
    job_id: str | None


class Causes:
    """Reads a partition of `requests`, then of `ledger.events`, then of `generation.events`.

    More of each may follow in the same order, any number of times.
    """

    def __init__(self, checks: Checks, partition: int) -> None:
        self.unanswered: dict[str, Asked] = {}
        self._check: Check = checks.causes
        self._partition = partition
        self._answered = RecentIds()
        self._ends: dict[str, Asked] = {}
        self._answers: dict[str, Answer] = {}

    def requested(self, offset: int, envelope: Envelope) -> None:
        """Remember a request until it is answered."""
        event = envelope.event
        self.unanswered[envelope.event_id] = Asked(
            offset,
            type(event),
            event.account_id,
            getattr(event, "job_id", None),
            getattr(event, "idempotency_key", None),
        )

    def answered(self, offset: int, envelope: Envelope) -> None:
        """Find the request that a ledger event answers, or keep it for a job's end."""
        self._check.looked_at += 1
        event, cause_id = envelope.event, envelope.causation_id
        job_id = event.job_id if isinstance(event, LedgerJobEvent) else None
        if cause_id in self._answered or cause_id in self._answers:
            self._check.wrong(
                f"{self._at(offset)}: {envelope.event_type} of account {event.account_id} answers "
                f"{cause_id}, which was answered already"
            )
            return
        asked = self.unanswered.pop(cause_id, None) or self._ends.pop(cause_id, None)
        answer = Answer(offset, type(event), event.account_id, job_id)
        if asked is None:
            self._answers[cause_id] = answer
            return
        self._answered.add(cause_id)
        self._compare(cause_id, asked.event_type, asked.account_id, asked.job_id, answer)

    def ended(self, envelope: Envelope) -> None:
        """Pair a job's end with the ledger's answer to it, or keep it for one that follows."""
        event, event_id = envelope.event, envelope.event_id
        job_id = getattr(event, "job_id", None)
        answer = self._answers.pop(event_id, None)
        if answer is not None:
            self._answered.add(event_id)
            self._compare(event_id, type(event), event.account_id, job_id, answer)
        elif type(event) in ANSWERS:
            self._ends[event_id] = Asked(-1, type(event), event.account_id, job_id, None)

    def finish(self) -> None:
        """Take down the ledger events whose cause was not found."""
        for cause_id, answer in self._answers.items():
            self._check.wrong(
                f"{self._at(answer.offset)}: {answer.event_type.__name__} of account "
                f"{answer.account_id} (job {answer.job_id}) answers {cause_id}, which is neither "
                f"in {REQUESTS.name} nor the end of a job in {GENERATION_EVENTS.name}"
            )

    def _compare(
        self,
        cause_id: str,
        asked_type: type[Event],
        account_id: str,
        job_id: str | None,
        answer: Answer,
    ) -> None:
        same_subject = (account_id, job_id) == (answer.account_id, answer.job_id)
        if answer.event_type not in ANSWERS[asked_type] or not same_subject:
            self._check.wrong(
                f"{self._at(answer.offset)}: {answer.event_type.__name__} of account "
                f"{answer.account_id} (job {answer.job_id}) cannot answer {cause_id}, the "
                f"{asked_type.__name__} of account {account_id} (job {job_id})"
            )

    def _at(self, offset: int) -> str:
        return place(LEDGER_EVENTS.name, self._partition, offset)
