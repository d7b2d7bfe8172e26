"""`/v1/generations`: ask for a video, follow it, cancel it, list what there is."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.bodies import json_object
from ingress.documents import BODY_ERRORS, body, header_key, history_parameters
from ingress.history import filtered_history
from ingress.inputs import GenerationInput
from ingress.jobs import ENDED, found_generation, history, order, orderer
from ingress.models import (
    CancellationAnswer,
    GenerationAccepted,
    GenerationList,
    GenerationStatus,
    Links,
)
from ingress.ports import BrokerUnavailable
from ingress.problems import ProblemError
from ingress.services import services_of
from ingress.validation import idempotency_key, parsed, wanted_generation
from schemas.ledger import CancellationAccepted, CancellationDeclined
from schemas.requests import CancellationRequested

router = APIRouter(tags=["generations"])


@router.post(
    "/v1/generations",
    status_code=202,
    responses=answers.documented(GenerationAccepted, 202, 402, 429, 503, *BODY_ERRORS),
    openapi_extra={"parameters": [header_key()], **body(GenerationInput)},
)
async def create_generation(request: Request) -> Response:
    """Ask for a video; the answer carries the ledger's decision if it came in time (C01)."""
    services = services_of(request)
    principal = await orderer(services, request)
    key = idempotency_key(request)
    wanted = wanted_generation(parsed(GenerationInput, await json_object(request)))
    ordered = await order(services, request, principal, wanted, key)
    return answers.answer(ordered.accepted, 202, ordered.headers)


@router.get(
    "/v1/generations/{generation_id}",
    responses=answers.documented(GenerationStatus, 200, 404, 503),
)
async def read_generation(request: Request, generation_id: str) -> Response:
    """Say how a generation stands. Reading changes nothing (I10)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    row = await found_generation(services, principal.account_id, generation_id)
    return answers.answer(answers.status(row))


@router.get(
    "/v1/generations",
    responses=answers.documented(GenerationList, 200, 422, 503),
    openapi_extra=history_parameters(),
)
async def list_generations(request: Request) -> Response:
    """List the account's generations, newest first, without repeats of the same request.

    A cursor stays good while jobs come and end: no job is skipped or shown twice (C09).
    """
    services = services_of(request)
    account_id = (await services.auth.principal(request)).account_id
    asked = filtered_history(request, services.generation_cursors, account_id)
    page = await history(services, account_id, asked)
    content = GenerationList(
        items=tuple(answers.summary(row) for row in page.jobs.rows),
        total=page.jobs.total,
        total_is_exact=page.jobs.total_is_exact,
        next_cursor=page.next_cursor,
    )
    return answers.answer(content)


@router.post(
    "/v1/generations/{generation_id}/cancel",
    status_code=202,
    responses=answers.documented(CancellationAnswer, 202, 404, 409, 503),
)
async def cancel_generation(request: Request, generation_id: str) -> Response:
    """Ask for a generation to be cancelled; credits come back if it was not submitted yet (C28)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    row = await found_generation(services, principal.account_id, generation_id)
    job_id = str(row.job_id)
    if row.status in ENDED:
        raise _ended(row.status)
    asked = CancellationRequested(
        account_id=principal.account_id,
        occurred_at=services.clock(),
        job_id=job_id,
        requested_by="owner",
    )
    try:
        decision = await services.desk.decision_on(request, asked)
    except BrokerUnavailable as error:
        raise ProblemError(
            "BROKER_UNAVAILABLE",
            "The event log did not take the cancellation; it may be repeated freely.",
            details={"outcome": error.outcome},
        ) from error
    content = CancellationAnswer.model_validate(
        {
            "id": job_id,
            "status": row.status,
            "cancellation": _cancellation(decision and decision.event),
            "links": Links.of(job_id),
        }
    )
    return answers.answer(content, 202)


def _cancellation(event: object) -> str:
    match event:
        case None:
            return "requested"
        case CancellationAccepted():
            return "accepted"
        case CancellationDeclined(code="ALREADY_REQUESTED"):
            return "already_requested"
        case CancellationDeclined():
            raise _ended(None)
        case _:
            raise AssertionError(f"{type(event).__name__} decides no cancellation")


def _ended(status: str | None) -> ProblemError:
    details = {"status": status} if status is not None else {}
    return ProblemError("JOB_NOT_ACTIVE", "This generation has ended already.", details=details)
