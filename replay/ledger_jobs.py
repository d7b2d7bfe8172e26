"""Checks what requests and the ledger say of each job: asked, decided, closed (T2). No I/O."""

from collections import deque

from domain.generation import evolve
from domain.ledger_state import HAND_REFUND_WINDOW
from replay.checks import Checks
from replay.job_story import JobStory
from replay.unique_ids import place
from schemas.envelope import Envelope
from schemas.ledger import (
    CancellationAccepted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    LedgerJobEvent,
    ReservationDeclined,
)
from schemas.requests import GenerationRequested
from schemas.topics import LEDGER_EVENTS


class LedgerJobs:
    """The stories of one partition's jobs, as the ledger tells them."""

    def __init__(self, checks: Checks, partition: int) -> None:
        self.stories: dict[str, JobStory] = {}
        self._checks = checks
        self._partition = partition
        self._unseen: deque[tuple[int, Envelope]] = deque()

    def requested(self, event: GenerationRequested) -> None:
        """Begin a story."""
        self._story(event.job_id, event.account_id).requested = True

    def apply(self, offset: int, envelope: Envelope, *, seen_by_generation: bool) -> None:
        """Go on with a story; `seen_by_generation`: its processor has decided this event."""
        event = envelope.event
        match event:
            case CreditsReserved():
                self._reserved(offset, envelope, event)
                self._take_seen(offset, envelope, seen_by_generation=seen_by_generation)
            case ReservationDeclined():
                self._declined(offset, event)
            case CancellationAccepted(job_id=job_id):
                if self._known(offset, job_id, event.account_id, "cancelled") is not None:
                    self._take_seen(offset, envelope, seen_by_generation=seen_by_generation)
            case CreditsSettled() | CreditsRefunded():
                self._closed(offset, event)
            case CreditsRefundedByHand():
                self._refunded_by_hand(offset, event)
            case _:
                return

    def seen_before(self, position: int) -> None:
        """Learn that the generation processor has decided the ledger's events up to `position`."""
        while self._unseen and self._unseen[0][0] < position:
            self._seen(self._unseen.popleft()[1])

    def _take_seen(self, offset: int, envelope: Envelope, *, seen_by_generation: bool) -> None:
        if seen_by_generation:
            self._seen(envelope)
        else:
            self._unseen.append((offset, envelope))

    def _seen(self, envelope: Envelope) -> None:
        event = envelope.event
        assert isinstance(event, CreditsReserved | CancellationAccepted), "no other is kept"
        story = self.stories.get(event.job_id)
        if story is None:
            return
        story.seen_by_generation = True
        if isinstance(event, CancellationAccepted) and story.job is not None:
            story.job = evolve(story.job, event)
            story.cancellation_event_id = envelope.event_id

    def _reserved(self, offset: int, envelope: Envelope, event: CreditsReserved) -> None:
        story = self._decided(offset, event)
        if story.price_credits is not None:
            return
        story.price_credits = event.price_credits
        story.reserved_at = event.occurred_at
        story.reserved_offset = offset
        story.reserved_event_id = story.last_event_id = envelope.event_id
        story.traceparent = envelope.traceparent
        story.job = evolve(None, event)
        story.prompt_hash = hash(event.private.prompt)

    def _declined(self, offset: int, event: ReservationDeclined) -> None:
        story = self._decided(offset, event)
        story.declined, story.declined_at = True, event.occurred_at
        first = event.first_answer
        if event.code != "IDEMPOTENT_REPLAY":
            return
        self._checks.keys.looked_at += 1
        original = self.stories.get(first.job_id) if first is not None else None
        if first is None or original is None or original.price_credits != first.price_credits:
            self._checks.keys.wrong(
                f"{self._about(offset, event)} repeats the answer to a job that was "
                "never reserved at that price"
            )

    def _decided(self, offset: int, event: CreditsReserved | ReservationDeclined) -> JobStory:
        check = self._checks.decisions
        check.looked_at += 1
        story = self._story(event.job_id, event.account_id)
        if not story.requested or story.account_id != event.account_id:
            check.wrong(
                f"{self._at(offset)}: job {event.job_id} was decided for account "
                f"{event.account_id}, which never asked for it"
            )
        if story.declined or story.price_credits is not None:
            check.wrong(f"{self._about(offset, event)} was decided a second time")
        return story

    def _closed(self, offset: int, event: CreditsSettled | CreditsRefunded) -> None:
        check = self._checks.closings
        check.looked_at += 1
        if isinstance(event, CreditsRefunded):
            what, credits_ = "refunded", event.amount_credits
        else:
            what, credits_ = "settled", event.price_credits
        story = self._known(offset, event.job_id, event.account_id, "closed")
        if story is None:
            return
        if story.closed_outcome is not None:
            before = "refunded" if story.refunded else "settled"
            check.wrong(f"{self._about(offset, event)} is {what}, but was {before} already")
        if credits_ != story.price_credits:
            check.wrong(
                f"{self._about(offset, event)} is closed with {credits_} credits, "
                f"{story.price_credits} were reserved"
            )
        story.closed_outcome = story.closed_outcome or event.outcome
        story.closed_at = story.closed_at or event.occurred_at
        story.job = None
        if isinstance(event, CreditsRefunded):
            self._refunded(offset, event, story)

    def _refunded(self, offset: int, event: CreditsRefunded, story: JobStory) -> None:
        story.refunded = True
        story.refund_failure = event.failure
        if story.delivered:
            # Only where the delivery was read first; otherwise it is found at the delivery.
            self._checks.delivered.wrong(
                f"{self._about(offset, event)} is refunded, and was delivered"
            )
        if story.failure is not None and story.failure != event.failure:
            code = "no failure" if event.failure is None else event.failure.code
            self._checks.failures.wrong(
                f"{self._about(offset, event)} is "
                f"refunded with {code}, but failed with {story.failure.code}"
            )
        self._checks.failures.looked_at += 1
        if (event.failure is None) == (event.outcome == "failed"):
            self._checks.failures.wrong(
                f"{self._about(offset, event)} is refunded as {event.outcome} "
                f"{'without' if event.failure is None else 'with'} a failure"
            )

    def _refunded_by_hand(self, offset: int, event: CreditsRefundedByHand) -> None:
        check = self._checks.hand_refunds
        check.looked_at += 1
        about = f"{self._about(offset, event)} is refunded by hand"
        story = self.stories.get(event.job_id)
        if story is None or story.closed_at is None or story.account_id != event.account_id:
            check.wrong(f"{about}, but account {event.account_id} has no such ended job")
            return
        if story.refunded or story.refunded_by_hand:
            check.wrong(f"{about}, but was refunded already")
        if event.amount_credits != story.price_credits:
            check.wrong(
                f"{about} with {event.amount_credits} credits, {story.price_credits} were kept"
            )
        if event.occurred_at >= story.closed_at + HAND_REFUND_WINDOW:
            check.wrong(f"{about} at {event.occurred_at}, but ended at {story.closed_at}")
        if not event.reason:
            check.wrong(f"{about} by {event.refunded_by} without a reason")
        story.refunded_by_hand = True

    def _known(
        self, offset: int, job_id: str, account_id: str, what_happened: str
    ) -> JobStory | None:
        """Find the story of a reserved job, or take down that there is none."""
        story = self.stories.get(job_id)
        if story is None or story.price_credits is None or story.account_id != account_id:
            self._checks.closings.wrong(
                f"{self._at(offset)}: job {job_id} is {what_happened}, but account {account_id} "
                "has no reservation for it"
            )
            return None
        return story

    def _story(self, job_id: str, account_id: str) -> JobStory:
        story = self.stories.get(job_id)
        if story is None:
            story = self.stories[job_id] = JobStory(job_id, account_id)
        return story

    def _about(self, offset: int, event: LedgerJobEvent) -> str:
        return f"{self._at(offset)}: job {event.job_id} of account {event.account_id}"

    def _at(self, offset: int) -> str:
        return place(LEDGER_EVENTS.name, self._partition, offset)
