"""What the ledger decided; written by the ledger processor alone to `ledger.events`."""

from typing import Literal

from pydantic import Field

from schemas.base import (
    INTEGER_MAX,
    Credits,
    Detail,
    Event,
    Fact,
    LongText,
    PositiveCredits,
    Sha256,
    ShortText,
    SignedCredits,
    UtcTime,
    Uuid,
)
from schemas.failure import Failure
from schemas.requests import IdempotencyKey, PrivatePrompt, VideoSettings


class LedgerEvent(Event):
    """One step of an account's ledger."""

    sequence: int = Field(
        description="Rises by exactly 1 within the account, from 1.", ge=1, le=INTEGER_MAX
    )
    balance_after: Credits = Field(description="Credits available after this event.")


class LedgerJobEvent(LedgerEvent):
    job_id: Uuid = Field(description="The generation job.")


class CreditsGranted(LedgerEvent):
    amount_credits: PositiveCredits = Field(description="Credits added.")
    reason: LongText
    granted_by: ShortText
    idempotency_key: IdempotencyKey


class CreditsAdjusted(LedgerEvent):
    amount_credits: SignedCredits = Field(
        description="Credits added or, below zero, taken: never more than were available."
    )
    reason: LongText
    adjusted_by: ShortText
    idempotency_key: IdempotencyKey


ChangeDeclineCode = Literal["IDEMPOTENT_REPLAY", "IDEMPOTENCY_KEY_REUSED", "BALANCE_TOO_LOW"]
RefundDeclineCode = Literal[
    "IDEMPOTENT_REPLAY",
    "IDEMPOTENCY_KEY_REUSED",
    "JOB_STILL_ACTIVE",
    "ALREADY_REFUNDED",
    "NOT_REFUNDABLE",
]


class FirstChange(Fact):
    """What the first change of credits with an idempotency key came to."""

    amount_credits: SignedCredits
    balance_after: Credits
    changed_at: UtcTime


class CreditChangeDeclined(LedgerEvent):
    """A grant or a correction changed nothing."""

    code: ChangeDeclineCode
    details: dict[str, Detail] = Field(default_factory=dict)
    first_change: FirstChange | None = Field(
        default=None, description="Of a repeat: the answer to give again."
    )


class CreditsReserved(LedgerJobEvent):
    """A job was accepted and paid for, all in one."""

    price_credits: PositiveCredits = Field(description="The job's price, fixed here for good.")
    transaction_type: ShortText = Field(description="Such as video_8s_generation.")
    settings: VideoSettings
    idempotency_key: IdempotencyKey
    body_sha256: Sha256
    private: PrivatePrompt


DeclineCode = Literal[
    "GENERATION_DISABLED",
    "UNKNOWN_MODEL",
    "UNSUPPORTED_SETTING",
    "INSUFFICIENT_CREDITS",
    "TOO_MANY_ACTIVE_JOBS",
    "IDEMPOTENT_REPLAY",
    "IDEMPOTENCY_KEY_REUSED",
]


class FirstAnswer(Fact):
    """What the first request with an idempotency key was answered."""

    job_id: Uuid
    price_credits: PositiveCredits
    balance_after: Credits
    reserved_at: UtcTime


class ReservationDeclined(LedgerJobEvent):
    code: DeclineCode
    details: dict[str, Detail] = Field(default_factory=dict)
    first_answer: FirstAnswer | None = Field(
        default=None, description="Of a repeat: the answer to give again."
    )


class CancellationAccepted(LedgerJobEvent):
    requested_by: ShortText


class CancellationDeclined(LedgerJobEvent):
    code: Literal["JOB_NOT_ACTIVE", "ALREADY_REQUESTED"]


class CreditsSettled(LedgerJobEvent):
    """The price is kept: the job was delivered, or was cancelled after its submission."""

    price_credits: PositiveCredits
    outcome: Literal["completed", "cancelled"]


class CreditsRefunded(LedgerJobEvent):
    amount_credits: PositiveCredits = Field(description="The whole price, given back.")
    transaction_type: ShortText
    outcome: Literal["failed", "cancelled"]
    failure: Failure | None = Field(default=None, description="Of a failed job: why.")


class CreditsRefundedByHand(LedgerJobEvent):
    """An administrator gave back the price of a job that had kept it: delivered or cancelled."""

    amount_credits: PositiveCredits = Field(description="The whole price, given back.")
    transaction_type: ShortText
    reason: LongText
    refunded_by: ShortText
    idempotency_key: IdempotencyKey


class HandRefundDeclined(LedgerJobEvent):
    code: RefundDeclineCode
    first_change: FirstChange | None = Field(
        default=None, description="Of a repeat: the answer to give again."
    )
