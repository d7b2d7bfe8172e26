"""What goes out over HTTP, as types and as the API's documentation."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ingress.rows import TOTAL_MAX, Role

Status = Literal[
    "requested",
    "rejected",
    "pending",
    "processing",
    "downloading",
    "completed",
    "failed",
    "cancelled",
]


class Output(BaseModel):
    model_config = ConfigDict(frozen=True)


class ListOutput(Output):
    total: int = Field(description=f"How many there are in all; counted up to {TOTAL_MAX:,}.")
    total_is_exact: bool = Field(description="False where there are more than were counted.")
    next_cursor: str | None = Field(description="Leads to the next page; null on the last.")


class Links(Output):
    self: str
    video: str

    @classmethod
    def of(cls, job_id: str) -> "Links":
        """Name the addresses of one job."""
        path = f"/v1/generations/{job_id}"
        return cls(self=path, video=f"{path}/video")


class GenerationAccepted(Output):
    """The answer to a new generation; `requested` where the ledger had not decided in time."""

    id: str
    status: Literal["pending", "requested"]
    model: str
    duration_seconds: int
    resolution: str
    aspect_ratio: str
    price_credits: int | None
    credits_available: int | None = Field(description="What is left after this job's price.")
    operation_id: None = Field(description="The status shows it as soon as the provider gave it.")
    created_at: datetime
    links: Links


class Video(Output):
    """The finished file."""

    url: str = Field(description="Path that gives a signed link.")
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    duration_ms: int | None
    width_pixels: int | None
    height_pixels: int | None
    frames_per_second: float | None


class GenerationError(Output):
    """Why a job was rejected or failed (I22)."""

    code: str
    message: str
    retryable: bool
    suggested_action: str
    details: dict[str, Any]


class GenerationSummary(Output):
    id: str
    status: Status
    model: str | None
    prompt: str | None
    duration_seconds: int | None
    resolution: str | None
    aspect_ratio: str | None
    price_credits: int | None
    refunded_credits: int
    created_at: datetime
    completed_at: datetime | None
    video: Video | None
    links: Links


class GenerationStatus(GenerationSummary):
    negative_prompt: str | None
    image_url: str | None = Field(description="The picture that was sent, for its owner alone.")
    updated_at: datetime
    operation_id: str | None
    provider_video_id: str | None = Field(
        description="The provider's own id of the video, where it gives one."
    )
    progress_percent: int | None
    queue_position: int | None = Field(
        description="Jobs before this one, while it waits in a provider's queue that tells."
    )
    thumbnail_url: None = None
    error: GenerationError | None


class GenerationList(ListOutput):
    items: tuple[GenerationSummary, ...]


class ActiveJob(Output):
    """One of the jobs that fill the limit; only its id where the database is away."""

    id: str
    status: Status | None = None
    prompt: str | None = None
    duration_seconds: int | None = None
    created_at: datetime | None = None


class VideoLink(Output):
    url: str
    expires_at: datetime


class CancellationAnswer(Output):
    """`requested` where the ledger had not decided in time."""

    id: str
    status: Status
    cancellation: Literal["accepted", "already_requested", "requested"]
    links: Links


class CreditsAnswer(Output):
    account_id: str
    available_credits: int
    reserved_credits: int
    settled_credits: int
    granted_credits: int


class Transaction(Output):
    id: str
    type: str
    amount_credits: int
    balance_after: int
    description: str | None
    job_id: str | None
    created_at: datetime


class TransactionList(ListOutput):
    items: tuple[Transaction, ...]


class ModelRow(Output):
    id: str = Field(description="The model's `model_id` in `/functions/v1`.")
    name: str
    kind: Literal["video"] = "video"
    resolutions: tuple[str, ...]
    aspect_ratios: tuple[str, ...]
    durations_seconds: tuple[int, ...]
    price_credits_by_duration: dict[int, int]
    prompt_tokens_max: int
    default_duration_seconds: int
    default_resolution: str
    default_aspect_ratio: str
    takes_negative_prompt: bool
    needs_image: bool


class ModelList(Output):
    items: tuple[ModelRow, ...]


class GrantAnswer(Output):
    account_id: str
    amount_credits: int
    status: Literal["granted", "requested"]
    balance_after: int | None
    idempotency_key: str
    created_at: datetime


class AdjustmentAnswer(Output):
    account_id: str
    amount_credits: int
    status: Literal["adjusted", "requested"]
    balance_after: int | None
    idempotency_key: str
    created_at: datetime


class HandRefundAnswer(Output):
    generation_id: str
    account_id: str
    amount_credits: int | None = Field(description="The job's whole price, given back.")
    status: Literal["refunded", "requested"]
    balance_after: int | None
    idempotency_key: str
    created_at: datetime


class JobCost(Output):
    """A job's money: credits are the owner's, micro-dollars are ours; they are never added."""

    generation_id: str
    account_id: str
    status: Status
    model: str | None
    provider: str | None
    operation_id: str | None
    price_credits: int | None
    refunded_credits: int
    cost_micro_dollars: int | None = Field(
        description="What the provider bills us by its list price, 1e-6 USD; null where no work "
        "of it was bought, or none that is known of."
    )
    created_at: datetime
    completed_at: datetime | None


class Key(Output):
    key_id: str
    account_id: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class NewKey(Key):
    api_key: str = Field(description="Shown once; only its hash is kept.")


class KeyList(ListOutput):
    items: tuple[Key, ...]


class FieldProblem(Output):
    field: str
    problem: str
    remedy: str


class Problem(Output):
    """Every error answer (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    suggested_action: str
    details: dict[str, Any]
    errors: tuple[FieldProblem, ...] = ()
