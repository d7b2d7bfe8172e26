"""What goes in and out at `/functions/v1`: the names of S2; a generation is a video job there."""

from typing import Any, Literal

from pydantic import Field

from ingress.inputs import Input, Integer, left_out
from ingress.models import FieldProblem, Output

VideoJobState = Literal["pending", "processing", "completed", "failed"]


class VideoJobSettings(Input):
    """What is left out is the model's own default; what is sent is never changed (C05)."""

    duration: Integer = Field(default_factory=left_out, description="Seconds.")
    resolution: str = Field(default_factory=left_out)
    aspect_ratio: str = Field(default_factory=left_out)
    fps: Integer | None = Field(
        default=None,
        description="No model lets it be chosen: refused if sent. The status of `/v1` shows what "
        "came of it.",
    )


class VideoJobInput(Input):
    """S2-03."""

    user_id: str | None = Field(
        default=None, description="The key's own account; any other is refused (S2-04)."
    )
    model_id: str = Field(description="`id` or `name` of one of `GET /v1/models`.")
    prompt: str = Field(description="What to show; at most 1,024 tokens.")
    image_url: str | None = Field(
        default=None, description="Picture to set in motion; for models that need one (S2-24)."
    )
    settings: VideoJobSettings = VideoJobSettings()


class VideoJobProblem(Output):
    """Every error answer of these paths, and why a job failed."""

    error: str
    message: str
    details: dict[str, Any]
    errors: tuple[FieldProblem, ...] = ()
    retryable: bool
    suggested_action: str
    request_id: str | None = None


class VideoJobAccepted(Output):
    """S2-05."""

    job_id: str
    status: VideoJobState
    credits_used: int | None = Field(description="Null where the ledger had not decided in time.")


class VideoJobStatus(Output):
    """S2-33."""

    job_id: str
    status: VideoJobState
    video_url: str | None = Field(description="Plays for a while; each reading gives a new one.")
    thumbnail_url: None = None
    provider_job_id: str | None
    credits_used: int | None
    credits_refunded: int
    error: VideoJobProblem | None
