"""`/api`: the three operations of S0-04, in its own names; the work is that of `/v1`."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.bodies import json_object
from ingress.documents import BODY_ERRORS, body, counted_parameters, header_key
from ingress.history import OFFSET_MAX, counted_history
from ingress.jobs import found_generation, history, order, orderer, video_url
from ingress.rows import GenerationRow
from ingress.services import Services, services_of
from ingress.spellings import TASKS
from ingress.task_models import (
    TaskAccepted,
    TaskInput,
    TaskList,
    TaskProblem,
    TaskStatus,
    TaskSummary,
)
from ingress.validation import idempotency_key, parsed, wanted_generation

router = APIRouter(tags=["tasks"])


def _documented(success: type, status: int, *problems: int) -> dict[int | str, dict[str, object]]:
    return answers.documented(
        success, status, *problems, problem_model=TaskProblem, content_type=TASKS.content_type
    )


@router.post(
    "/api/generate-video",
    status_code=202,
    responses=_documented(TaskAccepted, 202, 402, 429, 503, *BODY_ERRORS),
    openapi_extra={"parameters": [header_key()], **body(TaskInput)},
)
async def create_task(request: Request) -> Response:
    """Ask for a video; as `POST /v1/generations` (S0-13)."""
    services = services_of(request)
    principal = await orderer(services, request)
    key = idempotency_key(request)
    asked = parsed(TaskInput, await json_object(request)).as_generation()
    wanted = wanted_generation(asked, TASKS)
    ordered = await order(services, request, principal, wanted, key)
    accepted = ordered.accepted
    content = TaskAccepted.model_validate(
        {
            "task_id": accepted.id,
            "operation_id": None,
            "status": TASKS.status(accepted.status),
            "credit_cost": accepted.price_credits,
            "created_at": accepted.created_at,
        }
    )
    return answers.answer(content, 202, ordered.headers)


@router.get("/api/video/status/{task_id}", responses=_documented(TaskStatus, 200, 404, 503))
async def read_task(request: Request, task_id: str) -> Response:
    """Say how a task stands; reading costs nothing and changes nothing (S0-53, I10)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    row = await found_generation(services, principal.account_id, task_id)
    error = answers.error(row)
    content = TaskStatus.model_validate(
        {
            "task_id": str(row.job_id),
            "operation_id": row.operation_id,
            "status": TASKS.status(row.status),
            "progress": row.progress_percent,
            "queue_position": answers.queue_position(row),
            "video_url": video_url(services, row),
            "credit_cost": row.price_credits,
            "credits_refunded": row.refunded_credits or 0,
            "created_at": row.created_at,
            "completed_at": row.completed_at,
            "error": error and TASKS.job_error(error.model_dump()),
        }
    )
    return answers.answer(content)


@router.get(
    "/api/video/history",
    responses=_documented(TaskList, 200, 422, 503),
    openapi_extra=counted_parameters(),
)
async def list_tasks(request: Request) -> Response:
    """List the account's tasks, newest first, by `offset` or by `cursor` (S0-76)."""
    services = services_of(request)
    account_id = (await services.auth.principal(request)).account_id
    asked = counted_history(request, services.generation_cursors, account_id)
    page = await history(services, account_id, asked)
    next_offset = asked.offset + asked.limit
    counted = page.next_cursor is not None and asked.before is None and next_offset <= OFFSET_MAX
    content = TaskList(
        items=tuple(_summary(services, row) for row in page.jobs.rows),
        total=page.jobs.total,
        total_is_exact=page.jobs.total_is_exact,
        limit=asked.limit,
        offset=asked.offset,
        next_offset=next_offset if counted else None,
        next_cursor=page.next_cursor,
    )
    return answers.answer(content)


def _summary(services: Services, row: GenerationRow) -> TaskSummary:
    return TaskSummary.model_validate(
        {
            "id": str(row.job_id),
            "operation_id": row.operation_id,
            "status": TASKS.status(row.status),
            "prompt": row.prompt,
            "negative_prompt": row.negative_prompt,
            "aspect_ratio": row.aspect_ratio,
            "resolution": row.resolution,
            "duration": row.duration_seconds,
            "credit_cost": row.price_credits,
            "permanent_video_url": video_url(services, row),
            "file_size_bytes": row.size_bytes,
            "downloaded_at": row.completed_at,
            "created_at": row.created_at,
        }
    )
