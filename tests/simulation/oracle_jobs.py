"""Holds each event of the generation processor against the books: steps, times, operations."""

from typing import Any

from schemas.envelope import Envelope
from tests.simulation.books import (
    ALERTED,
    ALERTED_AT_ONCE,
    COST_MICRO_DOLLARS_PER_SECOND,
    GENERATION_TIMEOUT,
    OPEN,
    STEPS,
    JobBook,
)
from tests.simulation.oracle_core import OracleCore


class JobChecks(OracleCore):
    """What must hold of jobs."""

    def _step(self, place: str, event: Any) -> JobBook:
        name = type(event).__name__
        job = self.jobs[event.job_id]
        found_in, leaves_in = STEPS[name]
        if job.price is None:
            self.wrong("I07", f"{place}: job {event.job_id} has no reservation, and yet {name}")
        elif job.phase not in found_in:
            self.wrong("I20", f"{place}: job {event.job_id} is {job.phase}, and yet {name}")
        if job.ending_alert is not None and name != "GenerationFailed":
            self.wrong("I20", f"{place}: job {event.job_id} was alerted to its end, and yet {name}")
        job.phase = leaves_in
        return job

    def _in_time(self, place: str, event: Any, job: JobBook) -> None:
        if (
            job.reserved_at is not None
            and event.occurred_at >= job.reserved_at + GENERATION_TIMEOUT
        ):
            self.wrong(
                "C14",
                f"{place}: {type(event).__name__} at {event.occurred_at}, the job was reserved "
                f"at {job.reserved_at}",
            )

    def _attempted(self, place: str, event: Any, job: JobBook, due: int) -> None:
        if event.attempt != due:
            self.wrong(
                "I20", f"{place}: job {event.job_id} has attempt {event.attempt}, {due} is due"
            )
        job.attempt = event.attempt

    def _on_SubmissionIntended(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        job.intents += 1
        self._attempted(place, event, job, job.attempt + 1)
        self._in_time(place, event, job)

    def _on_SubmissionRefused(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        self._attempted(place, event, job, job.attempt)
        if job.billed:
            self.wrong("I13", f"{place}: job {event.job_id} is called refused, and it was begun")

    def _on_GenerationSubmitted(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        self._attempted(place, event, job, job.attempt)
        if job.operation_id is not None or self.operations.get(event.operation_id) != event.job_id:
            self.wrong(
                "I13", f"{place}: job {event.job_id} takes the operation {event.operation_id}"
            )
        job.operation_id = event.operation_id

    def _on_GenerationPolled(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        self._in_time(place, event, job)
        if (event.progress_percent or 0) < job.progress:
            self.wrong(
                "I41", f"{place}: job {event.job_id} falls to {event.progress_percent} percent"
            )
        job.progress = event.progress_percent or 0

    def _on_DownloadStarted(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        self._in_time(place, event, job)
        if self.sources.get(event.private.source) != event.job_id:
            self.wrong("I27", f"{place}: job {event.job_id} takes {event.private.source}")
        job.download_at = event.occurred_at

    def _on_GenerationCompleted(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        if self.stored.get(event.media.object_key) != event.job_id:
            self.wrong("I21", f"{place}: job {event.job_id} has no file {event.media.object_key}")
        if job.closed == "refunded":
            self.wrong("I06", f"{place}: job {event.job_id} is delivered, and was refunded")
        self._cost(place, event, job)
        self._ended(envelope, job)

    def _on_GenerationFailed(self, place: str, envelope: Envelope, event: Any) -> None:
        phase = self.jobs[event.job_id].phase
        job = self._step(place, event)
        code = event.failure.code
        early = job.reserved_at is not None and (
            event.occurred_at < job.reserved_at + GENERATION_TIMEOUT
        )
        if code == "GENERATION_TIMEOUT" and early:
            self.wrong("C14", f"{place}: job {event.job_id} timed out before its time")
        if job.billed and phase == "submitting" and code != "SUBMISSION_UNKNOWN":
            self.wrong("I13", f"{place}: job {event.job_id} was begun, and fails with {code}")
        self._told_of(place, event, job)
        self._ended(envelope, job)

    def _told_of(self, place: str, event: Any, job: JobBook) -> None:
        """Check that operators were told of a failure that is theirs, directly before it."""
        category, told = event.failure.category, job.ending_alert
        if told is not None and told != (category, _offset(place) - 1):
            self.wrong("S0-83", f"{place}: the alert {told} is not that of {category}")
        if category in ALERTED and category not in job.alerted:
            self.wrong("S0-83", f"{place}: nobody is told that {event.job_id} fails by {category}")

    def _on_AlertRaised(self, place: str, envelope: Envelope, event: Any) -> None:
        del envelope
        job = self.jobs[event.job_id]
        category = event.category
        if job.price is None or job.phase not in OPEN or job.ending_alert is not None:
            self.wrong("I20", f"{place}: job {event.job_id} is {job.phase}, and is alerted")
        if category not in (ALERTED if event.ends_job else ALERTED_AT_ONCE):
            self.wrong("S0-83", f"{place}: {category} is nothing for operators")
        if category in job.alerted:
            self.wrong("S0-83", f"{place}: job {event.job_id} raises {category} again")
        job.alerted.add(category)
        if event.ends_job:
            job.ending_alert = category, _offset(place)

    def _on_GenerationCancelled(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        if job.cancel_accepted is None:
            self.wrong("I20", f"{place}: job {event.job_id} is cancelled, and nobody asked for it")
        elif envelope.causation_id != job.cancel_accepted:
            self.wrong(
                "I44", f"{place}: job {event.job_id} is not cancelled by {job.cancel_accepted}"
            )
        if event.submitted != (job.operation_id is not None):
            self.wrong("I05", f"{place}: job {event.job_id} says submitted={event.submitted}")
        job.cancelled_submitted = event.submitted
        answer = event.provider_cancellation
        true: set[str | None] = set(job.cancel_answers) if event.submitted else {None}
        if event.submitted and job.output_seen:
            true.add("too_late")
        if event.submitted and not self.provider_cancels:
            true.add("not_offered")
        if event.submitted and not job.cancel_answers:
            # Behind an open breaker the provider is not even asked (decision 0028).
            true.add("unreachable")
        if answer not in true:
            self.wrong("C28", f"{place}: the provider is said to have answered {answer}: {true}")
        self._cost(place, event, job if event.submitted else None)
        self._ended(envelope, job)

    def _cost(self, place: str, event: Any, job: JobBook | None) -> None:
        due = job and job.duration_seconds * COST_MICRO_DOLLARS_PER_SECOND
        if event.cost_micro_dollars != due:
            self.wrong(
                "I37", f"{place}: {event.job_id} costs {event.cost_micro_dollars}, not {due}"
            )

    def _ended(self, envelope: Envelope, job: JobBook) -> None:
        job.end_event_id, job.end_type = envelope.event_id, envelope.event_type


def _offset(place: str) -> int:
    return int(place.rpartition("@")[2])
