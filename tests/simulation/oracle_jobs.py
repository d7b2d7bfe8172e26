"""Holds each event of the generation processor against the books: steps, times, operations."""

from typing import Any

from schemas.envelope import Envelope
from tests.simulation.books import (
    GENERATION_TIMEOUT,
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
        self._ended(envelope, job)

    def _on_GenerationCancelled(self, place: str, envelope: Envelope, event: Any) -> None:
        job = self._step(place, event)
        if not job.cancel_accepted:
            self.wrong("I20", f"{place}: job {event.job_id} is cancelled, and nobody asked for it")
        if event.submitted != (job.operation_id is not None):
            self.wrong("I05", f"{place}: job {event.job_id} says submitted={event.submitted}")
        job.cancelled_submitted = event.submitted
        self._ended(envelope, job)

    def _ended(self, envelope: Envelope, job: JobBook) -> None:
        job.end_event_id, job.end_type = envelope.event_id, envelope.event_type
