"""One job's events, as the examples write them; a function fills in what an example leaves open."""

from datetime import datetime
from typing import Any

from domain.failures import ProviderFault
from schemas.failure import Failure, Phase
from schemas.generation import (
    AlertRaised,
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
    progress: int | None = None,
    at: datetime = AT,
    state: str = "running",
    position: int | None = None,
) -> GenerationPolled:
    poll = {"provider_state": state, "progress_percent": progress, "queue_position": position}
    return GenerationPolled.model_validate({**_job(at), **poll})


def downloading(at: datetime = AT, video_id: str | None = None) -> DownloadStarted:
    private = PrivateMedia(source=SOURCE)
    return DownloadStarted(
        **_job(at), provider="google", provider_video_id=video_id, private=private
    )


def completed(at: datetime = AT, media: StoredMedia = MEDIA) -> GenerationCompleted:
    return GenerationCompleted(
        **_job(at), media=media, provider="google", cost_micro_dollars=COST_MICRO_DOLLARS
    )


def alert(
    failure: Failure,
    at: datetime = AT,
    phase: Phase = "submit",
    message: str | None = None,
    *,
    ends_job: bool = True,
) -> AlertRaised:
    return AlertRaised(
        **_job(at),
        category=failure.category,
        code=failure.code,
        phase=phase,
        provider="google",
        ends_job=ends_job,
        message=failure.message if message is None else message,
        details=failure.details,
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
