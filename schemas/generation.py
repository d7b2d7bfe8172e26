"""What became of a job; written by the generation processor alone to `generation.events`."""

from typing import Literal

from pydantic import Field

from schemas.base import (
    INT32_MAX,
    INTEGER_MAX,
    Detail,
    Fact,
    JobEvent,
    LongText,
    Sha256,
    ShortText,
    UtcTime,
)
from schemas.failure import Failure, FailureCategory, Phase


class SubmissionIntended(JobEvent):
    """Stands on the tape before the provider is asked to start paid work."""

    attempt: int = Field(description="From 1.", ge=1, le=100)
    provider: ShortText
    model: ShortText = Field(description="Name of the model in our catalogue.")


class SubmissionRefused(JobEvent):
    """The provider surely started nothing; the job will be submitted again.

    Source: docs/decisions/0011: without it a restart could not tell a refused attempt from
    one with an unknown outcome.
    """

    attempt: int = Field(description="The attempt that was refused.", ge=1, le=100)
    provider: ShortText
    reason: LongText
    retry_at: UtcTime


class GenerationSubmitted(JobEvent):
    attempt: int = Field(ge=1, le=100)
    provider: ShortText
    operation_id: str = Field(
        description="The provider's own name for the work; opaque, may hold slashes.",
        min_length=1,
        max_length=500,
    )


class GenerationPolled(JobEvent):
    """Written at the first poll, at a change, and otherwise at most every 30 s."""

    provider_state: Literal["queued", "running", "done"]
    progress_percent: int | None = Field(default=None, ge=0, le=100)
    queue_position: int | None = Field(
        default=None,
        description="Jobs before this one while it is queued; never rises.",
        ge=0,
        le=INT32_MAX,
    )


class PrivateMedia(Fact):
    """Where the provider keeps its copy; not for other eyes."""

    source: str = Field(description="The provider's own reference.", min_length=1, max_length=4000)


class DownloadStarted(JobEvent):
    provider: ShortText
    provider_video_id: ShortText | None = Field(
        default=None, description="The provider's own id of the video, where it gives one."
    )
    private: PrivateMedia


class StoredMedia(Fact):
    """A file in our own store, checked before this was written (I21)."""

    object_key: str = Field(description="Key in the media store.", min_length=1, max_length=1000)
    content_type: ShortText
    size_bytes: int = Field(description="Bytes.", ge=1000, le=INTEGER_MAX)
    sha256: Sha256
    duration_ms: int = Field(description="Real length, milliseconds.", ge=1, le=INT32_MAX)
    width_pixels: int = Field(ge=1, le=INT32_MAX)
    height_pixels: int = Field(ge=1, le=INT32_MAX)
    frames_per_second: float = Field(gt=0)


class GenerationCompleted(JobEvent):
    media: StoredMedia
    provider: ShortText
    cost_micro_dollars: int = Field(
        description="What the provider bills us by its list price; never credits.",
        ge=0,
        le=INTEGER_MAX,
    )


class GenerationFailed(JobEvent):
    failure: Failure
    provider_status: int | None = Field(
        default=None, description="HTTP status of the provider's answer.", ge=100, le=599
    )
    provider_code: ShortText | None = Field(
        default=None, description="The provider's own error code."
    )
    provider_detail: LongText | None = Field(
        default=None, description="The provider's own words, cut to 2,000 characters."
    )


class AlertRaised(JobEvent):
    """Only an operator can help; written in the transaction of what it tells of.

    Source: S0-82, S0-83, decision 0018. A job raises one alert of a category at most.
    """

    category: FailureCategory = Field(description="Row of the refund table.")
    code: ShortText = Field(description="Code of the failure that the job ends in, or would.")
    phase: Phase = Field(description="What the job was at.")
    provider: ShortText
    ends_job: bool = Field(
        description="Whether the job failed by it; if not, the job goes on and may still succeed."
    )
    message: LongText = Field(description="What happened, for an operator.")
    details: dict[str, Detail] = Field(
        default_factory=dict, description="Facts that belong to the code."
    )


ProviderCancellation = Literal["accepted", "too_late", "not_offered", "unreachable"]


class GenerationCancelled(JobEvent):
    submitted: bool = Field(description="Whether the provider had been asked already.")
    requested_by: ShortText
    provider_cancellation: ProviderCancellation | None = Field(
        default=None,
        description="Of a submitted job: whether the provider took our wish to stop the work, had "
        "finished already, takes none, or could not be reached.",
    )
    cost_micro_dollars: int | None = Field(
        default=None,
        description="Of a submitted job: what the provider may bill us by its list price at most; "
        "never credits.",
        ge=0,
        le=INTEGER_MAX,
    )
