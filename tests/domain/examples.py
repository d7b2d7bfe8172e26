"""The people, jobs and moments of the examples; a function fills in what an example leaves open."""

from datetime import UTC, datetime, timedelta

from domain.failures import ProviderFault
from domain.ledger_commands import (
    AdjustCredits,
    CloseCancelledJob,
    CloseFailedJob,
    GrantCredits,
    RefundByHand,
    RequestCancellation,
    ReserveCredits,
    SettleJob,
)
from schemas.failure import Failure
from schemas.generation import StoredMedia
from schemas.requests import PrivatePrompt, VideoSettings

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)  # the smallest step of our times
ALICE = "alice"
PROMPT = PrivatePrompt(prompt="a lighthouse at dusk")
BODY, OTHER_BODY = "a" * 64, "b" * 64


def job_id(number: int = 1) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def video(
    duration_seconds: int = 4,
    model: str = "veo-3.1",
    resolution: str = "720p",
    aspect_ratio: str = "16:9",
) -> VideoSettings:
    return VideoSettings(
        model=model,
        duration_seconds=duration_seconds,
        resolution=resolution,
        aspect_ratio=aspect_ratio,
    )


FOUR_SECONDS = video()
FAILURE = Failure(
    category="provider_error",
    code="PROVIDER_ERROR",
    message="The provider could not make this video.",
    retryable=True,
    suggested_action="Send the request again.",
)
MEDIA = StoredMedia(
    object_key="alice/videos/operations-1.mp4",
    content_type="video/mp4",
    size_bytes=1000,
    sha256="c" * 64,
    duration_ms=4000,
    width_pixels=1280,
    height_pixels=720,
    frames_per_second=24.0,
)
BUSY = ProviderFault(
    kind="transient", started="no", message="Too many requests.", status=429, code="EXHAUSTED"
)
LOST = ProviderFault(kind="transient", started="unknown", message="The answer never came.")


# What the ledger is asked.


def reserve(
    number: int = 1,
    *,
    account_id: str = ALICE,
    key: str | None = None,
    settings: VideoSettings = FOUR_SECONDS,
    prompt: PrivatePrompt = PROMPT,
    body: str = BODY,
    at: datetime = AT,
) -> ReserveCredits:
    return ReserveCredits(
        account_id=account_id,
        job_id=job_id(number),
        settings=settings,
        prompt=prompt,
        idempotency_key=key or f"key-{number}",
        body_sha256=body,
        at=at,
    )


def grant(
    amount_credits: int = 100, *, account_id: str = ALICE, key: str = "grant", at: datetime = AT
) -> GrantCredits:
    return GrantCredits(
        account_id=account_id,
        amount_credits=amount_credits,
        reason="bought",
        granted_by="admin",
        idempotency_key=key,
        at=at,
    )


def adjust(
    amount_credits: int,
    *,
    account_id: str = ALICE,
    reason: str = "a mistake",
    key: str = "adjust",
    at: datetime = AT,
) -> AdjustCredits:
    return AdjustCredits(
        account_id=account_id,
        amount_credits=amount_credits,
        reason=reason,
        adjusted_by="admin",
        idempotency_key=key,
        at=at,
    )


def refund_by_hand(
    number: int = 1,
    *,
    account_id: str = ALICE,
    reason: str = "a bad clip",
    key: str = "refund",
    at: datetime = AT,
) -> RefundByHand:
    return RefundByHand(
        account_id=account_id,
        job_id=job_id(number),
        reason=reason,
        refunded_by="admin",
        idempotency_key=key,
        at=at,
    )


def cancel(
    number: int = 1, *, account_id: str = ALICE, at: datetime = AT, requested_by: str = "owner"
) -> RequestCancellation:
    return RequestCancellation(
        account_id=account_id, job_id=job_id(number), requested_by=requested_by, at=at
    )


def settle(number: int = 1, *, account_id: str = ALICE, at: datetime = AT) -> SettleJob:
    return SettleJob(account_id=account_id, job_id=job_id(number), at=at)


def close_failed(
    number: int = 1, *, account_id: str = ALICE, failure: Failure = FAILURE, at: datetime = AT
) -> CloseFailedJob:
    return CloseFailedJob(account_id=account_id, job_id=job_id(number), failure=failure, at=at)


def close_cancelled(
    number: int = 1, *, submitted: bool, account_id: str = ALICE, at: datetime = AT
) -> CloseCancelledJob:
    return CloseCancelledJob(
        account_id=account_id, job_id=job_id(number), submitted=submitted, at=at
    )
