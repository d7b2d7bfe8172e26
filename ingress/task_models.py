"""What goes in and out at `/api`: the names of S0; a generation is a task there."""

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from ingress.inputs import GenerationInput, Input, Integer, left_out
from ingress.models import Output

TaskState = Literal["processing", "downloading", "completed", "failed"]


class TaskInput(Input):
    """S0-08; always of the default model, whose own defaults stand for what is left out."""

    model_config = ConfigDict(alias_generator=to_camel)

    prompt: str = Field(description="What to show; at most 1,024 tokens.")
    negative_prompt: str | None = Field(
        default=None, description="What not to show; at most 1,024 tokens."
    )
    aspect_ratio: str = Field(default_factory=left_out, description="`16:9` or `9:16`.")
    resolution: str = Field(default_factory=left_out, description="`720p` or `1080p`.")
    duration_seconds: Integer = Field(
        alias="duration", default_factory=left_out, description="4, 6 or 8 seconds."
    )

    def as_generation(self) -> GenerationInput:
        """Give the same under the names of `/v1`, what was left out still left out."""
        return GenerationInput.model_validate(self.model_dump(exclude_unset=True))


class TaskOutput(Output):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class TaskProblem(TaskOutput):
    """Every error answer of these paths, and why a task failed (S0-84)."""

    error: str
    message: str
    details: dict[str, Any] | None = Field(
        default=None, description="`errors` among them names each wrong field."
    )
    retryable: bool
    suggested_action: str
    request_id: str | None = None


class TaskAccepted(TaskOutput):
    """S0-13; the operation id appears in the status as soon as the provider gave it (C02)."""

    task_id: str
    operation_id: None
    status: TaskState
    credit_cost: int | None = Field(description="Null where the ledger had not decided in time.")
    created_at: datetime


class TaskStatus(TaskOutput):
    """S0-72."""

    task_id: str
    operation_id: str | None
    status: TaskState
    progress: int | None = Field(description="Percent, where the provider tells.")
    queue_position: int | None
    video_url: str | None = Field(description="Plays for a while; each reading gives a new one.")
    credit_cost: int | None
    credits_refunded: int
    created_at: datetime
    completed_at: datetime | None
    error: TaskProblem | None


class TaskSummary(Output):
    """S0-75 and S0-89, in the words of the table they describe."""

    id: str
    operation_id: str | None
    status: TaskState
    prompt: str | None
    negative_prompt: str | None
    aspect_ratio: str | None
    resolution: str | None
    duration: int | None = Field(description="Seconds.")
    credit_cost: int | None
    permanent_video_url: str | None = Field(
        description="Plays for a while; what lasts is that each reading gives a new one."
    )
    file_size_bytes: int | None
    downloaded_at: datetime | None
    created_at: datetime


class TaskList(TaskOutput):
    """S0-76; `next_cursor` skips nothing and repeats nothing while tasks arrive, `offset` may."""

    items: tuple[TaskSummary, ...]
    total: int
    total_is_exact: bool
    limit: int
    offset: int
    next_offset: int | None
    next_cursor: str | None
