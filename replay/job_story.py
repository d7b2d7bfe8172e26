"""What one partition's topics tell of one job, gathered while they are read. No I/O."""

from dataclasses import dataclass
from datetime import datetime

from domain.generation_state import Job, JobStatus, Limits
from processors.generation import OpenJob
from schemas.failure import Failure


@dataclass(slots=True)
class JobStory:
    """One job, from its request to its end.

    `job` is kept only until the ledger closes the job: it holds the prompt, and whatever is closed
    needs it no more. `phase` goes on without it.
    """

    job_id: str
    account_id: str
    requested: bool = False
    declined: bool = False
    # From the ledger.
    price_credits: int | None = None
    reserved_at: datetime | None = None
    reserved_offset: int = -1
    reserved_event_id: str = ""
    prompt_hash: int | None = None
    declined_at: datetime | None = None
    closed_outcome: str | None = None
    closed_at: datetime | None = None
    refunded: bool = False
    refunded_by_hand: bool = False
    refund_failure: Failure | None = None
    # From the generation processor.
    phase: JobStatus = "pending"
    attempt: int = 0
    operation_id: str | None = None
    delivered: bool = False
    end_event_id: str | None = None
    end_offset: int = -1
    failure: Failure | None = None
    # For the state topic.
    seen_by_generation: bool = False
    job: Job | None = None
    last_event_id: str = ""
    traceparent: str | None = None
    cancellation_event_id: str | None = None

    @property
    def open(self) -> bool:
        """Whether the job's price is neither kept nor given back yet."""
        return self.price_credits is not None and self.closed_outcome is None

    @property
    def outcome_unknown(self) -> bool:
        """Whether a provider may have started work that this job never learned of."""
        return (self.failure is not None and self.failure.category == "submission_unknown") or (
            self.open and self.phase == "submitting"
        )

    @property
    def status(self) -> str:
        """Give the job's status as clients see it."""
        if self.closed_outcome is not None:
            return self.closed_outcome
        if self.delivered:
            return "completed"
        if self.price_credits is None:
            return "rejected" if self.declined else "requested"
        if self.phase in {"processing", "downloading"}:
            return self.phase
        # An end that the ledger has not answered yet is not shown (I09).
        return "pending" if self.operation_id is None else "processing"

    def deadline(self, limits: Limits) -> datetime:
        """Give the moment by which the job's current phase must be over."""
        assert self.reserved_at is not None, "only a reserved job has a deadline"
        if self.job is not None:
            return self.job.deadline(limits)
        return self.reserved_at + limits.generation_timeout

    def open_job(self) -> OpenJob | None:
        """Give what the generation processor must remember of the job, None where nothing."""
        if self.job is None or self.job.ended or not self.seen_by_generation:
            return None
        return OpenJob(self.job, self.last_event_id, self.traceparent, self.cancellation_event_id)
