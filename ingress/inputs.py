"""What comes in over HTTP, as types and as the API's documentation."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ingress.rows import Role
from schemas.base import AccountId

DEFAULT_MODEL = "veo-3.1"
# 10^12: a thousand times what the largest account is expected to hold; far below 2^53.
GRANT_CREDITS_MAX = 10**12


def _integral(value: object) -> object:
    """Read 8.0 as 8: JSON has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_integral)]


def left_out() -> Any:  # noqa: ANN401  stands for a value of any type
    """Stand for a field that was not sent; `model_fields_set` tells."""
    return None


class Input(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class GenerationInput(Input):
    model: str = DEFAULT_MODEL
    prompt: str = Field(description="What to show; at most 1,024 tokens.")
    negative_prompt: str | None = Field(
        default=None, description="What not to show; at most 1,024 tokens."
    )
    image_url: str | None = Field(
        default=None,
        description="Picture to set in motion, an https URL of at most 2,000 characters; for "
        "models that need one, and no others.",
    )
    duration_seconds: Integer = Field(
        default_factory=left_out, description="The model's own default if left out."
    )
    resolution: str = Field(
        default_factory=left_out, description="The model's own default if left out."
    )
    aspect_ratio: str = Field(
        default_factory=left_out, description="The model's own default if left out."
    )


class GrantInput(Input):
    account_id: AccountId
    amount_credits: Integer = Field(ge=1, le=GRANT_CREDITS_MAX)
    reason: str = Field(description="Why, for the audit; 1 to 2,000 characters.")


class AdjustmentInput(Input):
    account_id: AccountId
    amount_credits: Integer = Field(
        description="Credits to add or, below zero, to take; not 0.",
        ge=-GRANT_CREDITS_MAX,
        le=GRANT_CREDITS_MAX,
    )
    reason: str = Field(description="Why, for the audit; 1 to 2,000 characters.")


class HandRefundInput(Input):
    reason: str = Field(description="Why, for the audit; 1 to 2,000 characters.")


class KeyInput(Input):
    account_id: AccountId
    role: Role = "client"
