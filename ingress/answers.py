"""Makes answers of rows and events. No I/O, no rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from ingress.declines import decline_error
from ingress.models import (
    ActiveJob,
    GenerationAccepted,
    GenerationError,
    GenerationStatus,
    GenerationSummary,
    JobCost,
    Key,
    Links,
    Output,
    Problem,
    Transaction,
    Video,
)
from ingress.problems import CONTENT_TYPE
from ingress.rows import GenerationRow, JobCostRow, KeyRow, TransactionRow
from schemas.requests import VideoSettings


def answer(
    content: Output, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Write an output as JSON."""
    return Response(content.model_dump_json(by_alias=True), status, headers, "application/json")


def accepted(
    job_id: str,
    settings: VideoSettings,
    created_at: datetime,
    *,
    price_credits: int | None = None,
    credits_available: int | None = None,
) -> GenerationAccepted:
    """Give the answer to a generation; it waits for its decision while it has no price."""
    return GenerationAccepted(
        id=job_id,
        status="requested" if price_credits is None else "pending",
        model=settings.model,
        duration_seconds=settings.duration_seconds,
        resolution=settings.resolution,
        aspect_ratio=settings.aspect_ratio,
        price_credits=price_credits,
        credits_available=credits_available,
        operation_id=None,
        created_at=created_at,
        links=Links.of(job_id),
    )


def summary(row: GenerationRow) -> GenerationSummary:
    """Give a job as a list shows it."""
    return GenerationSummary.model_validate(_summary(row))


def status(row: GenerationRow) -> GenerationStatus:
    """Give everything that a job's owner may know of it."""
    return GenerationStatus.model_validate(
        {
            **_summary(row),
            "negative_prompt": row.negative_prompt,
            "image_url": row.image_url,
            "updated_at": row.updated_at,
            "operation_id": row.operation_id,
            "provider_video_id": row.provider_video_id,
            "progress_percent": row.progress_percent,
            "queue_position": queue_position(row),
            "error": error(row),
        }
    )


def active_jobs(job_ids: Sequence[str], rows: Sequence[GenerationRow]) -> list[dict[str, Any]]:
    """List active jobs, newest first; of one that the read model does not show yet, its id."""
    jobs = [
        ActiveJob.model_validate(
            {
                "id": str(row.job_id),
                "status": row.status,
                "prompt": row.prompt,
                "duration_seconds": row.duration_seconds,
                "created_at": row.created_at,
            }
        )
        for row in rows
    ]
    found = {job.id for job in jobs}
    # The ledger lists them in the order of their reservation.
    unseen = [ActiveJob(id=job_id) for job_id in reversed(job_ids) if job_id not in found]
    return [job.model_dump(mode="json", exclude_none=True) for job in (*unseen, *jobs)]


def transaction(row: TransactionRow) -> Transaction:
    """Give one movement of credits."""
    return Transaction(
        id=str(row.event_id),
        type=row.transaction_type,
        amount_credits=row.amount_credits,
        balance_after=row.balance_after,
        description=row.description,
        job_id=str(row.job_id) if row.job_id else None,
        created_at=row.created_at,
    )


def job_cost(row: JobCostRow) -> JobCost:
    """Give what a job cost, to its owner and to us."""
    return JobCost.model_validate(
        {
            "generation_id": str(row.job_id),
            "account_id": row.account_id,
            "status": row.status,
            "model": row.model,
            "provider": row.provider,
            "operation_id": row.operation_id,
            "price_credits": row.price_credits,
            "refunded_credits": row.refunded_credits or 0,
            "cost_micro_dollars": row.cost_micro_dollars,
            "created_at": row.created_at,
            "completed_at": row.completed_at,
        }
    )


def key(row: KeyRow) -> Key:
    """Give a key without its secret."""
    return Key(
        key_id=str(row.key_id),
        account_id=row.account_id,
        role=row.role,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )


def documented(
    success: type[BaseModel],
    success_status: int,
    *problem_statuses: int,
    problem_model: type[BaseModel] = Problem,
    content_type: str = CONTENT_TYPE,
) -> dict[int | str, dict[str, Any]]:
    """Describe a route's answers for the API's documentation."""
    problem = {"content": {content_type: {"schema": problem_model.model_json_schema()}}}
    titles = {401: "No valid API key", 500: "Something went wrong on our side"}
    every = dict.fromkeys((*problem_statuses, *titles))
    return {
        success_status: {"model": success},
        **{code: {"description": titles.get(code, "Problem"), **problem} for code in every},
    }


def _summary(row: GenerationRow) -> dict[str, Any]:
    job_id = str(row.job_id)
    links = Links.of(job_id)
    video = None
    if row.status == "completed":
        video = Video(
            url=links.video,
            content_type=row.content_type,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            duration_ms=row.duration_ms,
            width_pixels=row.width_pixels,
            height_pixels=row.height_pixels,
            frames_per_second=row.frames_per_second,
        )
    return {
        "id": job_id,
        "status": row.status,
        "model": row.model,
        "prompt": row.prompt,
        "duration_seconds": row.duration_seconds,
        "resolution": row.resolution,
        "aspect_ratio": row.aspect_ratio,
        "price_credits": row.price_credits,
        "refunded_credits": row.refunded_credits or 0,
        "created_at": row.created_at,
        "completed_at": row.completed_at,
        "video": video,
        "links": links,
    }


def queue_position(row: GenerationRow) -> int | None:
    """Give how many jobs the provider has before this one; None once it is not queued there."""
    waits = row.status == "processing" and row.provider_state == "queued"
    return row.queue_position if waits else None


def error(row: GenerationRow) -> GenerationError | None:
    """Give why a job was rejected or failed (I22)."""
    if row.decline_code is not None:
        return decline_error(row.decline_code, row.decline_details or {})
    if row.failure is None:
        return None
    failure = row.failure
    return GenerationError(
        code=failure["code"],
        message=failure["message"],
        retryable=failure["retryable"],
        suggested_action=failure["suggested_action"],
        details=failure.get("details", {}),
    )
