"""One job's events, as the examples write them; a function fills in what an example leaves open."""

from datetime import datetime
from typing import Any

from domain.failures import ProviderFault
from schemas.failure import Failure
from schemas.generation import (
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    PrivateMedia,
    ProviderCancellation,
    StoredMedia,
    SubmissionIntended,
    SubmissionRefused,
)
from tests.domain.examples import ALICE, AT, BUSY, MEDIA, SECOND, job_id

OPERATION = "models/veo/operations/1"
# Four seconds of Veo 3.1.
COST_MICRO_DOLLARS = 1_600_000
SOURCE = "https://provider.example/files/1"


def _job(at: datetime, number: int = 1) -> dict[str, Any]:
    return {"account_id": ALICE, "occurred_at": at, "job_id": job_id(number)}


def intended(attempt: int = 1, at: datetime = AT) -> SubmissionIntended:
    return SubmissionIntended(**_job(at), attempt=attempt, provider="google", model="veo-3.1")


def refused(
    attempt: int = 1, at: datetime = AT, wait_seconds: int = 2, reason: str = BUSY.message
) -> SubmissionRefused:
    return SubmissionRefused(
        **_job(at),
        attempt=attempt,
        provider="google",
        reason=reason,
        retry_at=at + wait_seconds * SECOND,
    )


def submitted(attempt: int = 1, at: datetime = AT) -> GenerationSubmitted:
    return GenerationSubmitted(
        **_job(at), attempt=attempt, provider="google", operation_id=OPERATION
    )


def polled(
    progress: int | None = None, at: datetime = AT, state: str = "running"
) -> GenerationPolled:
    return GenerationPolled.model_validate(
        {**_job(at), "provider_state": state, "progress_percent": progress}
    )


def downloading(at: datetime = AT) -> DownloadStarted:
    return DownloadStarted(**_job(at), provider="google", private=PrivateMedia(source=SOURCE))


def completed(at: datetime = AT, media: StoredMedia = MEDIA) -> GenerationCompleted:
    return GenerationCompleted(
        **_job(at), media=media, provider="google", cost_micro_dollars=COST_MICRO_DOLLARS
    )


def failed(
    failure: Failure, at: datetime = AT, fault: ProviderFault | None = None
) -> GenerationFailed:
    return GenerationFailed(
        **_job(at),
        failure=failure,
        provider_status=fault.status if fault else None,
        provider_code=fault.code if fault else None,
        provider_detail=fault.message if fault else None,
    )


def cancelled(
    answer: ProviderCancellation | None = None, *, at: datetime = AT, requested_by: str = "owner"
) -> GenerationCancelled:
    """End a job by its owner's wish: without an answer it was never submitted."""
    return GenerationCancelled(
        **_job(at),
        submitted=answer is not None,
        requested_by=requested_by,
        provider_cancellation=answer,
        cost_micro_dollars=COST_MICRO_DOLLARS if answer is not None else None,
    )
