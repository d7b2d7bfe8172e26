"""`/functions/v1`: the two operations of S2, in its own names; the work is that of `/v1`."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.bodies import json_object
from ingress.documents import BODY_ERRORS, body, header_key, job_parameter
from ingress.inputs import GenerationInput
from ingress.jobs import found_generation, order, orderer, video_url
from ingress.model_ids import MODEL_IDS, model_named
from ingress.parameters import check_names, single
from ingress.problems import FieldFault, ProblemError, invalid, shown
from ingress.services import services_of
from ingress.spellings import VIDEO_JOBS
from ingress.validation import KEY_HEADER, idempotency_key, parsed, wanted_generation
from ingress.video_job_models import (
    VideoJobAccepted,
    VideoJobInput,
    VideoJobProblem,
    VideoJobStatus,
)

router = APIRouter(tags=["video jobs"])
JOB_PARAMETER = "job_id"
_KEY_REMEDY = "send a new UUID for each generation, and the same one with every retry"


def _documented(success: type, status: int, *problems: int) -> dict[int | str, dict[str, object]]:
    return answers.documented(
        success,
        status,
        *problems,
        problem_model=VideoJobProblem,
        content_type=VIDEO_JOBS.content_type,
    )


@router.post(
    "/functions/v1/generate-video",
    status_code=202,
    responses=_documented(VideoJobAccepted, 202, 402, 403, 429, 503, *BODY_ERRORS),
    openapi_extra={"parameters": [header_key(required=True)], **body(VideoJobInput)},
)
async def create_video_job(request: Request) -> Response:
    """Ask for a video; as `POST /v1/generations`, with a key that must be there (S2-01)."""
    services = services_of(request)
    principal = await orderer(services, request)
    key = _uuid_key(request)
    asked = parsed(VideoJobInput, await json_object(request))
    if asked.user_id not in (None, principal.account_id):
        # S2-04, C23: the key says who pays.
        fault = FieldFault("user_id", "is not the key's account", "leave it out")
        raise ProblemError("ACCOUNT_MISMATCH", "`user_id` is of somebody else.", errors=(fault,))
    wanted = wanted_generation(_generation_input(asked), VIDEO_JOBS)
    ordered = await order(services, request, principal, wanted, key)
    content = VideoJobAccepted.model_validate(
        {
            "job_id": ordered.accepted.id,
            "status": VIDEO_JOBS.status(ordered.accepted.status),
            "credits_used": ordered.accepted.price_credits,
        }
    )
    return answers.answer(content, 202, ordered.headers)


def _uuid_key(request: Request) -> str:
    """Read the key, which these paths ask for and want as a UUID (S2-02)."""
    key = idempotency_key(request)
    if key is None:
        raise invalid(FieldFault(KEY_HEADER, "is missing", _KEY_REMEDY))
    try:
        UUID(key)
    except ValueError:
        raise invalid(FieldFault(KEY_HEADER, "is no UUID", _KEY_REMEDY)) from None
    return key


def _generation_input(asked: VideoJobInput) -> GenerationInput:
    """Give the same under the names of `/v1`, what was left out still left out (S2-29)."""
    faults: list[FieldFault] = []
    model = model_named(asked.model_id)
    if model is None:
        known = ", ".join(f"{model_id} ({name})" for name, model_id in MODEL_IDS.items())
        problem = f"{shown(asked.model_id)!r} is no model"
        faults.append(FieldFault("model_id", problem, f"use one of: {known}"))
    if asked.settings.fps is not None:
        faults.append(FieldFault("settings.fps", "cannot be chosen", "leave it out"))
    if faults:
        raise invalid(*faults)
    settings = asked.settings.model_dump(exclude_unset=True, exclude={"fps"})
    if "duration" in settings:
        settings["duration_seconds"] = settings.pop("duration")
    words = asked.model_dump(include={"prompt", "image_url"}, exclude_unset=True)
    return GenerationInput.model_validate({"model": model, **words, **settings})


@router.get(
    "/functions/v1/get-video-status",
    responses=_documented(VideoJobStatus, 200, 404, 422, 503),
    openapi_extra=job_parameter(JOB_PARAMETER),
)
async def read_video_job(request: Request) -> Response:
    """Say how a job stands; reading asks no provider and changes nothing (S2-34, C13)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    faults: list[FieldFault] = []
    check_names(request, (JOB_PARAMETER,), faults)
    job_id = single(request, JOB_PARAMETER, faults)
    if job_id is None:
        faults.append(FieldFault(JOB_PARAMETER, "is missing", "send the id that the POST gave"))
    if faults or job_id is None:
        raise invalid(*faults)
    row = await found_generation(services, principal.account_id, job_id)
    error = answers.error(row)
    content = VideoJobStatus.model_validate(
        {
            "job_id": str(row.job_id),
            "status": VIDEO_JOBS.status(row.status),
            "video_url": video_url(services, row),
            "provider_job_id": row.operation_id,
            "credits_used": row.price_credits,
            "credits_refunded": row.refunded_credits or 0,
            "error": error and VIDEO_JOBS.job_error(error.model_dump()),
        }
    )
    return answers.answer(content)
