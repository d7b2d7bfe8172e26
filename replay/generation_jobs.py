"""Checks what the generation processor did with each job, step by step (T3, I13, I20). No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.generation import evolve
from domain.generation_state import ENDED, JobStatus
from replay.checks import Checks
from replay.job_story import JobStory
from replay.unique_ids import RecentUniqueIds, UniqueIds, place
from schemas.base import JobEvent
from schemas.envelope import Envelope
from schemas.generation import (
    AlertRaised,
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    StoredMedia,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.topics import GENERATION_EVENTS

_UNENDED: frozenset[JobStatus] = frozenset({"pending", "submitting", "processing", "downloading"})


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event may find a job, and where it leaves it; None is where it was."""

    found_in: frozenset[JobStatus]
    leaves_in: JobStatus | None


# Written beside the decider, not taken from it: it is the decider that is checked.
STEPS: Mapping[type[JobEvent], Step] = {
    SubmissionIntended: Step(frozenset({"pending"}), "submitting"),
    SubmissionRefused: Step(frozenset({"submitting"}), "pending"),
    GenerationSubmitted: Step(frozenset({"submitting"}), "processing"),
    AlertRaised: Step(_UNENDED, None),
    GenerationPolled: Step(frozenset({"processing"}), "processing"),
    DownloadStarted: Step(frozenset({"processing"}), "downloading"),
    GenerationCompleted: Step(frozenset({"downloading"}), "completed"),
    GenerationFailed: Step(_UNENDED, "failed"),
    GenerationCancelled: Step(_UNENDED, "cancelled"),
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that a completed job promises."""

    job_id: str
    at: str
    media: StoredMedia


class GenerationJobs:
    """Goes on with the stories of one partition's jobs where the ledger left off.

    `reservations_complete`: every reservation that a job event can follow from was read.
    """

    def __init__(
        self,
        checks: Checks,
        partition: int,
        stories: dict[str, JobStory],
        operations: UniqueIds | RecentUniqueIds,
        *,
        reservations_complete: bool,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self._early: list[tuple[int, Envelope]] = []
        self._checks = checks
        self._partition = partition
        self._stories = stories
        self._operations = operations
        self.reservations_complete = reservations_complete

    def apply(self, offset: int, envelope: Envelope) -> JobStory | None:
        """Go on with a story; return it if this event ended its job."""
        event = envelope.event
        assert isinstance(event, JobEvent), f"{envelope.event_type} is no job's event"
        story = self._stories.get(event.job_id)
        if story is None or story.price_credits is None or story.account_id != event.account_id:
            self._without_reservation(offset, envelope, event)
            return None
        if isinstance(event, SubmissionIntended):
            self._intended(offset, envelope, event, story)
        elif isinstance(event, GenerationSubmitted):
            self._submitted(offset, event, story)
        ended_before = story.phase in ENDED
        self._step(offset, event, story)
        if story.job is not None:
            story.job = evolve(story.job, event)
        story.last_event_id = envelope.event_id
        if isinstance(event, GenerationCompleted):
            self._delivered(offset, event, story)
        if story.phase not in ENDED or ended_before:
            return None
        self._ended(offset, envelope, story)
        return story

    def apply_early(self) -> None:
        """Apply again what came before its reservation was read."""
        early, self._early = self._early, []
        for offset, envelope in early:
            self.apply(offset, envelope)

    def _without_reservation(self, offset: int, envelope: Envelope, event: JobEvent) -> None:
        self._checks.intents.looked_at += 1
        if not self.reservations_complete:
            self._early.append((offset, envelope))
        else:
            self._checks.intents.wrong(
                f"{self._about(offset, event)} has no reservation, and yet {type(event).__name__}"
            )

    def _intended(
        self, offset: int, envelope: Envelope, event: SubmissionIntended, story: JobStory
    ) -> None:
        self._checks.intents.looked_at += 1
        if envelope.causation_id != story.last_event_id:
            self._checks.intents.wrong(
                f"{self._about(offset, event)} is submitted because of event "
                f"{envelope.causation_id}, not of its reservation or refused attempt"
            )

    def _submitted(self, offset: int, event: GenerationSubmitted, story: JobStory) -> None:
        self._checks.operations.looked_at += 1
        operation = (event.provider, event.operation_id)
        self._operations.add(operation, GENERATION_EVENTS.name, self._partition, offset)
        if story.operation_id is not None:
            self._checks.operations.wrong(
                f"{self._about(offset, event)} has the operation {event.operation_id}, "
                f"but had {story.operation_id} already"
            )
        else:
            story.operation_id = event.operation_id

    def _step(self, offset: int, event: JobEvent, story: JobStory) -> None:
        self._checks.steps.looked_at += 1
        step = STEPS[type(event)]
        attempt = _attempt(event)
        expected = story.attempt + 1 if isinstance(event, SubmissionIntended) else story.attempt
        if story.phase not in step.found_in:
            self._checks.steps.wrong(
                f"{self._about(offset, event)} is {story.phase}, and yet {type(event).__name__}"
            )
        elif attempt not in {None, expected}:
            self._checks.steps.wrong(
                f"{self._about(offset, event)} has attempt {attempt} where {expected} is due"
            )
        if attempt is not None:
            story.attempt = attempt
        if story.phase not in ENDED and step.leaves_in is not None:
            story.phase = step.leaves_in

    def _ended(self, offset: int, envelope: Envelope, story: JobStory) -> None:
        event = envelope.event
        story.end_event_id, story.end_offset = envelope.event_id, offset
        if isinstance(event, GenerationFailed):
            self._checks.failures.looked_at += 1
            story.failure = event.failure
            if story.refund_failure is not None and story.refund_failure != event.failure:
                self._checks.failures.wrong(
                    f"{self._about(offset, event)} failed with {event.failure.code}, "
                    f"its refund says {story.refund_failure.code}"
                )
        story.refund_failure = None

    def _delivered(self, offset: int, event: GenerationCompleted, story: JobStory) -> None:
        story.delivered = True
        self.deliveries.append(Delivery(event.job_id, self._at(offset), event.media))
        self._checks.delivered.looked_at += 1
        if story.refunded:
            self._checks.delivered.wrong(
                f"{self._about(offset, event)} is delivered, and its price was refunded"
            )

    def _about(self, offset: int, event: JobEvent) -> str:
        return f"{self._at(offset)}: job {event.job_id} of account {event.account_id}"

    def _at(self, offset: int) -> str:
        return place(GENERATION_EVENTS.name, self._partition, offset)


def _attempt(event: JobEvent) -> int | None:
    # By type: asking a pydantic model for a field that it lacks costs 5 us.
    if isinstance(event, SubmissionIntended | SubmissionRefused | GenerationSubmitted):
        return event.attempt
    return None
