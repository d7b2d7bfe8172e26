"""The read model `generations`: what each job looks like to its owner.

Pure: says what an event changes in its job's row; no SQL is run here. The three topics arrive in
any order, so no event may rely on another one having been seen.
"""

from projections.changes import (
    GREATEST,
    LEAST,
    Change,
    Column,
    EarliestWhereKnown,
    Furthest,
    MergedTable,
)
from schemas.base import Event, JobEvent
from schemas.generation import (
    AlertRaised,
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    StoredMedia,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    HandRefundDeclined,
    LedgerJobEvent,
    ReservationDeclined,
)
from schemas.requests import (
    CancellationRequested,
    CreditAdjustmentRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
)

STATUS_RANKS = {
    "requested": 0,
    "rejected": 1,
    "pending": 1,
    "processing": 2,
    "downloading": 3,
    "completed": 9,
    "failed": 9,
    "cancelled": 9,
}
PROVIDER_STATE_RANKS = {"queued": 0, "running": 1, "done": 2}

GENERATIONS = MergedTable(
    name="generations",
    key="job_id",
    owner="account_id",
    columns=(
        Column("job_id", "uuid"),
        Column("account_id", "text"),
        Column("status", "text", Furthest(STATUS_RANKS)),
        Column("model", "text"),
        Column("duration_seconds", "int"),
        Column("resolution", "text"),
        Column("aspect_ratio", "text"),
        Column("prompt", "text"),
        Column("negative_prompt", "text"),
        Column("image_url", "text"),
        Column("price_credits", "bigint"),
        Column("operation_id", "text"),
        Column("provider", "text"),
        Column("provider_state", "text", Furthest(PROVIDER_STATE_RANKS)),
        Column("progress_percent", "int", GREATEST),
        Column("queue_position", "int", LEAST),
        Column("provider_video_id", "text"),
        Column("object_key", "text"),
        Column("content_type", "text"),
        Column("size_bytes", "bigint"),
        Column("sha256", "text"),
        Column("duration_ms", "bigint"),
        Column("width_pixels", "int"),
        Column("height_pixels", "int"),
        Column("frames_per_second", "double precision"),
        Column("cost_micro_dollars", "bigint"),
        Column("decline_code", "text"),
        Column("decline_details", "jsonb"),
        Column("failure", "jsonb"),
        # A cancelled job's 0 may be followed by its price, refunded by hand.
        Column("refunded_credits", "bigint", GREATEST),
        Column("replay_of", "uuid"),
        # A job began when it was asked for, whatever was heard of it first; the prompt comes with
        # that and with the reservation, and with nothing else.
        Column("created_at", "timestamptz", EarliestWhereKnown("prompt")),
        Column("updated_at", "timestamptz", GREATEST),
        Column("completed_at", "timestamptz"),
    ),
)

# These change nothing that a job's owner sees. `GenerationFailed`, and that a job is cancelled, are
# shown by the ledger's answer to them, together with the credits (I09); a cancellation or a
# refund by hand may name a job of somebody else; a refused submission is submitted again.
SHOWS_NOTHING = (
    CancellationRequested
    | CancellationAccepted
    | CancellationDeclined
    | CreditGrantRequested
    | CreditAdjustmentRequested
    | CreditsGranted
    | CreditsAdjusted
    | CreditChangeDeclined
    | HandRefundRequested
    | HandRefundDeclined
    | SubmissionRefused
    | AlertRaised
    | GenerationFailed
)


def change_of(event: Event) -> Change | None:
    """Say what an event changes in its job's row; None where it changes nothing.

    Raises: AssertionError for a type without a rule: a read model with a hole is a wrong answer.
    """
    said = _said_by(event)
    if said is None:
        return None
    assert isinstance(event, JobEvent | LedgerJobEvent), "only a job's events say something of it"
    return {
        "job_id": event.job_id,
        "account_id": event.account_id,
        "created_at": event.occurred_at,
        "updated_at": event.occurred_at,
        **{name: value for name, value in said.items() if value is not None},
    }


def _said_by(event: Event) -> dict[str, object] | None:
    if isinstance(event, SHOWS_NOTHING):
        return None
    match event:
        case GenerationRequested():
            return {"status": "requested", **_request(event)}
        case CreditsReserved(price_credits=price):
            return {"status": "pending", "price_credits": price, **_request(event)}
        case ReservationDeclined():
            return {"status": "rejected", **_refusal(event)}
        case SubmissionIntended(provider=provider):
            return {"status": "pending", "provider": provider}
        case GenerationSubmitted(provider=provider, operation_id=operation_id):
            return {"status": "processing", "provider": provider, "operation_id": operation_id}
        case GenerationPolled():
            return {
                "status": "processing",
                "provider_state": event.provider_state,
                "progress_percent": event.progress_percent,
                "queue_position": event.queue_position,
            }
        case DownloadStarted(provider=provider, provider_video_id=video_id):
            return {"status": "downloading", "provider": provider, "provider_video_id": video_id}
        case GenerationCompleted():
            return _completion(event)
        case GenerationCancelled(cost_micro_dollars=cost):
            return None if cost is None else {"status": "pending", "cost_micro_dollars": cost}
        case CreditsSettled() | CreditsRefunded() | CreditsRefundedByHand():
            return _closing(event)
        case _:
            raise AssertionError(f"no rule for {type(event).__name__}")


def _request(event: GenerationRequested | CreditsReserved) -> dict[str, object]:
    return {
        "model": event.settings.model,
        "duration_seconds": event.settings.duration_seconds,
        "resolution": event.settings.resolution,
        "aspect_ratio": event.settings.aspect_ratio,
        "prompt": event.private.prompt,
        "negative_prompt": event.private.negative_prompt,
        "image_url": event.private.image_url,
    }


def _refusal(event: ReservationDeclined) -> dict[str, object]:
    if event.code == "IDEMPOTENT_REPLAY" and event.first_answer is not None:
        return {"replay_of": event.first_answer.job_id}
    return {
        "decline_code": event.code,
        "decline_details": event.model_dump(mode="json", include={"details"})["details"],
    }


def _closing(
    event: CreditsSettled | CreditsRefunded | CreditsRefundedByHand,
) -> dict[str, object] | None:
    match event:
        case CreditsSettled(outcome=outcome):
            # A delivered job is shown by its media, not by its payment.
            return {"status": outcome, "refunded_credits": 0} if outcome == "cancelled" else None
        case CreditsRefunded(outcome=outcome, amount_credits=amount, failure=failure):
            return {
                "status": outcome,
                "refunded_credits": amount,
                "failure": failure and failure.model_dump(mode="json", exclude_none=True),
            }
        case CreditsRefundedByHand(amount_credits=amount):
            # A paid job at least; how it ended is told by others.
            return {"status": "pending", "refunded_credits": amount}


def _completion(event: GenerationCompleted) -> dict[str, object]:
    media: StoredMedia = event.media
    return {
        "status": "completed",
        "provider": event.provider,
        "object_key": media.object_key,
        "content_type": media.content_type,
        "size_bytes": media.size_bytes,
        "sha256": media.sha256,
        "duration_ms": media.duration_ms,
        "width_pixels": media.width_pixels,
        "height_pixels": media.height_pixels,
        "frames_per_second": media.frames_per_second,
        "cost_micro_dollars": event.cost_micro_dollars,
        "completed_at": event.occurred_at,
    }
