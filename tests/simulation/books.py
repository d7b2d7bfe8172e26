"""What the oracle remembers of accounts, jobs and keys, written beside the rules, not with them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

# S0-18, S0-80, S0-31, torture.md row 32: written again here, for it is the rules that are checked.
PRICE_CREDITS_BY_DURATION = {4: 40, 6: 60, 8: 80}
GENERATION_TIMEOUT = timedelta(minutes=15)
DOWNLOAD_TIMEOUT = timedelta(minutes=10)
RESERVATION_GRACE = timedelta(seconds=60)
KEY_LIFE = timedelta(hours=72)
# Decision 0020.
HAND_REFUND_LIFE = timedelta(days=30)
# Google's list price of veo-3.1, micro-dollars a second.
COST_MICRO_DOLLARS_PER_SECOND = 400_000
ACTIVE_JOBS_MAX = 3

# Which statuses an event may find a job in, and which it leaves.
OPEN = ("pending", "submitting", "processing", "downloading")
# S0-78 to S0-83, decision 0018: who needs an operator, and who needs one before the job's end.
ALERTED = {
    "provider_quota",
    "provider_setup",
    "submission_unknown",
    "storage_error",
    "storage_unavailable",
    "system_error",
}
ALERTED_AT_ONCE = {"provider_setup", "system_error"}
STEPS = {
    "SubmissionIntended": (("pending",), "submitting"),
    "SubmissionRefused": (("submitting",), "pending"),
    "GenerationSubmitted": (("submitting",), "processing"),
    "GenerationPolled": (("processing",), "processing"),
    "DownloadStarted": (("processing",), "downloading"),
    "GenerationCompleted": (("downloading",), "completed"),
    "GenerationFailed": (OPEN, "failed"),
    "GenerationCancelled": (OPEN, "cancelled"),
}


@dataclass(slots=True)
class AccountBook:
    """One account's credits and open jobs, in order."""

    available: int = 0
    reserved: int = 0
    settled: int = 0
    granted: int = 0
    sequence: int = 0
    active: list[str] = field(default_factory=list)


@dataclass(slots=True)
class KeyBook:
    """What an idempotency key was used for: a job, or a change by hand.

    `change`: what that came to: its credits, the balance after it, its time.
    """

    job_id: str | None
    body_sha256: str
    expires_at: datetime
    change: tuple[int, int, datetime] | None = None


@dataclass(slots=True)
class JobBook:
    """One job, from its request to the end of its money."""

    account_id: str
    duration_seconds: int
    idempotency_key: str
    body_sha256: str
    decided: bool = False
    price: int | None = None
    reserved_at: datetime | None = None
    phase: str = "pending"
    attempt: int = 0
    intents: int = 0
    asked: int = 0
    billed: int = 0
    operation_id: str | None = None
    progress: int = 0
    download_at: datetime | None = None
    cancel_accepted: str | None = None
    cancel_answers: set[str] = field(default_factory=set)
    output_seen: bool = False
    alerted: set[str] = field(default_factory=set)
    ending_alert: tuple[str, int] | None = None
    end_event_id: str | None = None
    end_type: str = ""
    cancelled_submitted: bool = False
    closed: str | None = None
    closed_at: datetime | None = None
    refunded_by_hand: bool = False

    @property
    def deadline(self) -> datetime:
        """When the job's current phase must be over."""
        if self.download_at is not None:
            return self.download_at + DOWNLOAD_TIMEOUT
        assert self.reserved_at is not None, "only a reserved job has a deadline"
        return self.reserved_at + GENERATION_TIMEOUT
