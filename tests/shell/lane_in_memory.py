"""A lane's batch without a broker: what a program decides, kept or dropped as the lane would."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from uuid import UUID

from runtime.event_log.program import LaneClosedError, Program
from runtime.event_log.states import Overlay, States
from schemas.base import Event
from schemas.envelope import Cause, Envelope
from schemas.requests import (
    CancellationRequested,
    CreditAdjustmentRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
)
from tests.domain.examples import ALICE, AT, BODY, FOUR_SECONDS, PROMPT, job_id

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
_numbers = count(1)


def arriving(event: Event, story: str | None = None) -> Envelope:
    """Wrap an event as another process would have written it, with an id nobody else has."""
    cause = Cause(str(UUID(int=next(_numbers))), story or job_id(), TRACE)
    return cause.envelop(event, 0, "/elsewhere")


@dataclass
class Batch:
    """One program with its states; each input is kept at once, and committed when told."""

    program: Program
    states: States = field(default_factory=States)

    def __post_init__(self) -> None:
        self.overlay = Overlay(self.states)

    def event(self, event: Event) -> list[Envelope]:
        return self.envelope(arriving(event))

    def envelope(self, envelope: Envelope) -> list[Envelope]:
        return self._kept(self.program.decide_event(envelope, self.overlay))

    def command(self, command: object) -> list[Envelope]:
        return self._kept(self.program.decide_command(command, self.overlay))

    def commit(self) -> dict[str, object | None]:
        """Commit, begin the next batch, and say what changed."""
        self.overlay.commit()
        changed = dict(self.overlay.changed)
        self.overlay = Overlay(self.states)
        return changed

    def _kept(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        self.overlay.keep()
        return list(envelopes)


@dataclass
class FakeLane:
    """A lane for a companion: its states, and what it was asked to decide."""

    states: States = field(default_factory=States)
    partition: int = 0
    closed: bool = False
    asked: list[object] = field(default_factory=list)

    async def readable(self) -> None: ...

    async def decide(self, command: object) -> None:
        if self.closed:
            raise LaneClosedError
        self.asked.append(command)


def grant_requested(amount_credits: int = 100, key: str = "grant") -> CreditGrantRequested:
    return CreditGrantRequested(
        account_id=ALICE,
        occurred_at=AT,
        amount_credits=amount_credits,
        reason="bought",
        requested_by="admin",
        idempotency_key=key,
    )


def adjustment_requested(amount_credits: int) -> CreditAdjustmentRequested:
    return CreditAdjustmentRequested(
        account_id=ALICE,
        occurred_at=AT,
        amount_credits=amount_credits,
        reason="a mistake",
        requested_by="admin",
        idempotency_key="adjust",
    )


def hand_refund_requested(key: str = "refund") -> HandRefundRequested:
    return HandRefundRequested(
        account_id=ALICE,
        occurred_at=AT,
        job_id=job_id(),
        reason="a bad clip",
        requested_by="admin",
        idempotency_key=key,
    )


def generation_requested(
    number: int = 1, *, key: str | None = None, at: datetime = AT
) -> GenerationRequested:
    return GenerationRequested(
        account_id=ALICE,
        occurred_at=at,
        job_id=job_id(number),
        settings=FOUR_SECONDS,
        idempotency_key=key or f"key-{number}",
        body_sha256=BODY,
        private=PROMPT,
    )


def cancellation_requested(number: int = 1, account_id: str = ALICE) -> CancellationRequested:
    return CancellationRequested(
        account_id=account_id, occurred_at=AT, job_id=job_id(number), requested_by="owner"
    )
