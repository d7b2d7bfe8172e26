"""A job as the generation processor remembers it while it is open, and the limits it lives by."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.failures import Trouble
from schemas.failure import FailureCategory
from schemas.requests import PrivatePrompt, VideoSettings

JobStatus = Literal[
    "pending", "submitting", "processing", "downloading", "completed", "failed", "cancelled"
]
ENDED: frozenset[JobStatus] = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a job in time and tries.

    Source: S0-80 (15 minutes from acceptance to the provider's last word), C18 (passing faults are
    submitted again within a bound), design.md section 2 (a poll event every 30 s at most).
    """

    generation_timeout: timedelta = timedelta(minutes=15)
    submit_attempts_max: int = 3
    # 2, 4 s: the waits before the second and third attempt.
    submit_retry_wait: timedelta = timedelta(seconds=2)
    # 60 s: what a provider asks for beyond that is not waited for: it may be any number.
    submit_retry_wait_max: timedelta = timedelta(seconds=60)
    poll_event_gap: timedelta = timedelta(seconds=30)
    # 10 min: 3 attempts of 60 s, their waits, and a restart in the middle of them, with room.
    download_timeout: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Job:
    """One generation job between its reservation and its end.

    Units: all times UTC, from events, so that they survive restarts.
    """

    job_id: str
    account_id: str
    provider: str
    settings: VideoSettings
    # Forgotten once the provider has it: nothing later needs these words.
    prompt: PrivatePrompt | None
    status: JobStatus
    reserved_at: datetime
    attempt: int = 0
    retry_at: datetime | None = None
    operation_id: str | None = None
    submitted_at: datetime | None = None
    provider_state: str | None = None
    progress_percent: int | None = None
    queue_position: int | None = None
    poll_written_at: datetime | None = None
    media_source: str | None = None
    download_started_at: datetime | None = None
    cancel_requested_by: str | None = None
    # What stands in the way of a job that goes on, until a step succeeds.
    trouble: Trouble | None = None
    # The categories that operators were told of.
    alerted: tuple[FailureCategory, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the job has reached an end, which it never leaves (I20)."""
        return self.status in ENDED

    def deadline(self, limits: Limits) -> datetime:
        """Give the moment by which the current phase must be over."""
        if self.download_started_at is not None:
            return self.download_started_at + limits.download_timeout
        return self.reserved_at + limits.generation_timeout
