"""What clients and administrators ask for; written by the ingress alone to `requests`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import (
    Event,
    Fact,
    JobEvent,
    LongText,
    PositiveCredits,
    Sha256,
    ShortText,
    SignedCredits,
)

# 2,000 characters: what browsers and servers agree on; a signed link takes some hundred.
ImageUrl = Annotated[str, StringConstraints(pattern=r"^https://[\x21-\x7e]{1,1992}$")]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]


class PrivatePrompt(Fact):
    """A person's own words; the only part of an event that will be sealed per account."""

    prompt: str = Field(description="What to show.", min_length=1, max_length=32_768)
    negative_prompt: str | None = Field(
        default=None, description="What not to show.", min_length=1, max_length=32_768
    )
    image_url: ImageUrl | None = Field(
        default=None, description="Of the picture to set in motion, which the provider fetches."
    )


class VideoSettings(Fact):
    """What was asked of the model, already checked against its catalogue row."""

    model: ShortText = Field(description="Name of the model in our catalogue.")
    duration_seconds: int = Field(description="Length of the clip, seconds.", ge=1, le=3600)
    resolution: ShortText = Field(description="Such as 720p.")
    aspect_ratio: ShortText = Field(description="Such as 16:9.")


class GenerationRequested(JobEvent):
    settings: VideoSettings
    idempotency_key: IdempotencyKey = Field(
        description="The client's key; the job's own id where the client gave none."
    )
    body_sha256: Sha256 = Field(description="Of the request's canonical body.")
    private: PrivatePrompt


class CancellationRequested(JobEvent):
    requested_by: ShortText = Field(description="`owner` or the administrator's account.")


class CreditGrantRequested(Event):
    amount_credits: PositiveCredits = Field(description="Credits to add.")
    reason: LongText = Field(description="Why, for the audit.", min_length=1)
    requested_by: ShortText = Field(description="The administrator's account.")
    idempotency_key: IdempotencyKey = Field(description="Names this grant; repeats add nothing.")


class CreditAdjustmentRequested(Event):
    amount_credits: SignedCredits = Field(description="Credits to add or, below zero, to take.")
    reason: LongText = Field(description="Why, for the audit.", min_length=1)
    requested_by: ShortText = Field(description="The administrator's account.")
    idempotency_key: IdempotencyKey = Field(description="Names this correction.")


class HandRefundRequested(JobEvent):
    """Give back, as an exception, the price of a job that kept it (decision 0020)."""

    reason: LongText = Field(description="Why, for the audit.", min_length=1)
    requested_by: ShortText = Field(description="The administrator's account.")
    idempotency_key: IdempotencyKey = Field(description="Names this refund.")
