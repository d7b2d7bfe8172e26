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
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    ChangeDeclineCode,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    DeclineCode,
    FirstAnswer,
    FirstChange,
    HandRefundDeclined,
    RefundDeclineCode,
    ReservationDeclined,
)
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


# What the ledger answers.


def granted(
    sequence: int,
    balance_after: int,
    amount_credits: int | None = None,
    *,
    key: str = "grant",
    at: datetime = AT,
) -> CreditsGranted:
    return CreditsGranted(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        amount_credits=balance_after if amount_credits is None else amount_credits,
        reason="bought",
        granted_by="admin",
        idempotency_key=key,
    )


def adjusted(
    sequence: int,
    balance_after: int,
    amount_credits: int,
    *,
    key: str = "adjust",
    at: datetime = AT,
) -> CreditsAdjusted:
    return CreditsAdjusted(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        amount_credits=amount_credits,
        reason="a mistake",
        adjusted_by="admin",
        idempotency_key=key,
    )


def change_declined(
    sequence: int,
    balance_after: int,
    code: ChangeDeclineCode,
    *,
    details: dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]]
    | None = None,
    first_change: FirstChange | None = None,
    at: datetime = AT,
) -> CreditChangeDeclined:
    return CreditChangeDeclined(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        code=code,
        details=details or {},
        first_change=first_change,
    )


def refunded_by_hand(
    sequence: int = 4,
    balance_after: int = 100,
    number: int = 1,
    *,
    amount_credits: int = 40,
    key: str = "refund",
    at: datetime = AT,
) -> CreditsRefundedByHand:
    return CreditsRefundedByHand(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        amount_credits=amount_credits,
        transaction_type="hand_refund_video_generation",
        reason="a bad clip",
        refunded_by="admin",
        idempotency_key=key,
    )


def refund_declined(
    sequence: int,
    balance_after: int,
    code: RefundDeclineCode,
    number: int = 1,
    *,
    first_change: FirstChange | None = None,
    at: datetime = AT,
) -> HandRefundDeclined:
    return HandRefundDeclined(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        code=code,
        first_change=first_change,
    )


def first_change(amount_credits: int, balance_after: int) -> FirstChange:
    return FirstChange(amount_credits=amount_credits, balance_after=balance_after, changed_at=AT)


def reserved(
    sequence: int = 2,
    balance_after: int = 60,
    number: int = 1,
    *,
    price_credits: int = 40,
    transaction_type: str = "video_4s_generation",
    key: str | None = None,
    settings: VideoSettings = FOUR_SECONDS,
    body: str = BODY,
    at: datetime = AT,
) -> CreditsReserved:
    return CreditsReserved(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        price_credits=price_credits,
        transaction_type=transaction_type,
        settings=settings,
        idempotency_key=key or f"key-{number}",
        body_sha256=body,
        private=PROMPT,
    )


def declined(
    code: DeclineCode,
    *,
    sequence: int = 2,
    balance_after: int = 100,
    number: int = 1,
    details: dict[str, str | int | float | bool | tuple[str | int | float | bool, ...]]
    | None = None,
    first_answer: FirstAnswer | None = None,
    at: datetime = AT,
) -> ReservationDeclined:
    return ReservationDeclined(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        code=code,
        details=details or {},
        first_answer=first_answer,
    )


def cancellation_accepted(
    sequence: int = 3,
    balance_after: int = 60,
    number: int = 1,
    *,
    requested_by: str = "owner",
    at: datetime = AT,
) -> CancellationAccepted:
    return CancellationAccepted(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        requested_by=requested_by,
    )


def cancellation_declined(
    sequence: int, balance_after: int, code: str, number: int = 1
) -> CancellationDeclined:
    return CancellationDeclined.model_validate(
        {
            "account_id": ALICE,
            "occurred_at": AT,
            "sequence": sequence,
            "balance_after": balance_after,
            "job_id": job_id(number),
            "code": code,
        }
    )


def settled(
    sequence: int = 3,
    balance_after: int = 60,
    number: int = 1,
    *,
    price_credits: int = 40,
    at: datetime = AT,
) -> CreditsSettled:
    return CreditsSettled(
        account_id=ALICE,
        occurred_at=at,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        price_credits=price_credits,
        outcome="completed",
    )


def settled_cancelled(sequence: int = 3, balance_after: int = 60) -> CreditsSettled:
    return CreditsSettled(
        account_id=ALICE,
        occurred_at=AT,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(),
        price_credits=40,
        outcome="cancelled",
    )


def refunded(
    sequence: int = 3,
    balance_after: int = 100,
    number: int = 1,
    *,
    amount_credits: int = 40,
    failure: Failure | None = FAILURE,
) -> CreditsRefunded:
    return CreditsRefunded(
        account_id=ALICE,
        occurred_at=AT,
        sequence=sequence,
        balance_after=balance_after,
        job_id=job_id(number),
        amount_credits=amount_credits,
        transaction_type="refund_video_generation",
        outcome="failed" if failure else "cancelled",
        failure=failure,
    )
