"""What the ledger answers in the examples; a function fills in what an example leaves open."""

from datetime import datetime

from schemas.failure import Failure
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
from schemas.requests import VideoSettings
from tests.domain.examples import ALICE, AT, BODY, FAILURE, FOUR_SECONDS, PROMPT, job_id


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
