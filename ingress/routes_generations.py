"""`/v1/generations`: ask for a video, follow it, cancel it, list what there is."""

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.bodies import json_object
from ingress.calls import call_of
from ingress.cursors import page_asked
from ingress.declines import decline_problem
from ingress.documents import BODY_ERRORS, body, header_key, page_parameters
from ingress.models import (
    CancellationAnswer,
    GenerationAccepted,
    GenerationInput,
    GenerationList,
    GenerationStatus,
    Links,
)
from ingress.ports import BrokerUnavailable
from ingress.problems import ProblemError
from ingress.rows import GenerationRow
from ingress.services import Services, services_of
from ingress.validation import Wanted, idempotency_key, wanted_generation
from ingress.wait import ReadModelBehind
from runtime.database import DatabaseUnavailable
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditsReserved,
    ReservationDeclined,
)
from schemas.requests import CancellationRequested, GenerationRequested

router = APIRouter(tags=["generations"])
REPLAY_HEADER = "X-Idempotent-Replay"
ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@router.post(
    "/v1/generations",
    status_code=202,
    responses=answers.documented(GenerationAccepted, 202, 402, 429, 503, *BODY_ERRORS),
    openapi_extra={"parameters": [header_key()], **body(GenerationInput)},
)
@router.post("/api/generate-video", status_code=202, openapi_extra=body(GenerationInput))
async def create_generation(request: Request) -> Response:
    """Ask for a video; the answer carries the ledger's decision if it came in time (C01)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    job_id = call_of(request).request_id
    key = idempotency_key(request) or job_id
    wanted = wanted_generation(await json_object(request))
    asked = GenerationRequested(
        account_id=principal.account_id,
        occurred_at=services.clock(),
        job_id=job_id,
        settings=wanted.settings,
        idempotency_key=key,
        body_sha256=wanted.body_sha256,
        private=wanted.prompt,
    )
    try:
        decision = await services.desk.decision_on(request, asked)
    except BrokerUnavailable as error:
        raise not_published(error, key) from error
    if decision is None:
        return answers.answer(answers.accepted(job_id, wanted.settings, asked.occurred_at), 202)
    match decision.event:
        case CreditsReserved() as reserved:
            content = answers.accepted(
                job_id,
                wanted.settings,
                reserved.occurred_at,
                price_credits=reserved.price_credits,
                credits_available=reserved.balance_after,
            )
            return answers.answer(content, 202)
        case ReservationDeclined() as declined:
            return await _declined(services, wanted, declined)
        case _:
            raise AssertionError(f"{decision.event_type} decides no generation")


async def _declined(services: Services, wanted: Wanted, declined: ReservationDeclined) -> Response:
    first = declined.first_answer
    if declined.code == "IDEMPOTENT_REPLAY" and first is not None:
        content = answers.accepted(
            first.job_id,
            wanted.settings,
            first.reserved_at,
            price_credits=first.price_credits,
            credits_available=first.balance_after,
        )
        return answers.answer(content, 202, {REPLAY_HEADER: "true"})
    problem = decline_problem(declined.code, declined.details)
    if declined.code == "TOO_MANY_ACTIVE_JOBS":
        job_ids = [str(job_id) for job_id in _listed(problem.details.pop("active_job_ids", ()))]
        try:
            rows = await services.read_model.active_generations(declined.account_id, job_ids)
        except DatabaseUnavailable:
            rows = []
        problem.details["active_jobs"] = answers.active_jobs(job_ids, rows)
    raise problem


def _listed(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def not_published(error: BrokerUnavailable, key: str) -> ProblemError:
    """Say that a request is not surely on the log, and how to repeat it safely."""
    certain = error.outcome == "nothing_sent"
    detail = (
        "The event log cannot be reached; nothing was sent."
        if certain
        else "The event log did not acknowledge the request; it may or may not have arrived."
    )
    details = {"outcome": error.outcome, "idempotency_key": key}
    return ProblemError("BROKER_UNAVAILABLE", detail, details=details)


@router.get(
    "/v1/generations/{generation_id}",
    responses=answers.documented(GenerationStatus, 200, 404, 503),
)
@router.get("/api/video/status/{generation_id}")
async def read_generation(request: Request, generation_id: str) -> Response:
    """Say how a generation stands. Reading changes nothing (I10)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    row = await found_generation(services, principal.account_id, generation_id)
    return answers.answer(answers.status(row))


async def found_generation(services: Services, account_id: str, job_id: str) -> GenerationRow:
    """Find an account's job, after whatever of it is on the log has been applied.

    Raises: ProblemError NOT_FOUND, the same for a job of somebody else (S0-73); ReadModelBehind,
    BrokerUnavailable and DatabaseUnavailable where nobody can say.
    """
    job_id = job_id.lower()
    row = None
    if JOB_ID.fullmatch(job_id):
        row = await services.read_model.generation(account_id, job_id)
        if row is None:
            await services.barrier.requests_applied(account_id)
            row = await services.read_model.generation(account_id, job_id)
        elif row.status == "requested":
            row = await _decided(services, account_id, job_id) or row
    if row is None:
        raise ProblemError("NOT_FOUND", "No generation of this account has this id.")
    return row


async def _decided(services: Services, account_id: str, job_id: str) -> GenerationRow | None:
    """Look again once the decisions seen here are applied: a status never goes back."""
    try:
        await services.barrier.decisions_applied(account_id)
    except ReadModelBehind:
        return None
    return await services.read_model.generation(account_id, job_id)


@router.get(
    "/v1/generations",
    responses=answers.documented(GenerationList, 200, 422, 503),
    openapi_extra=page_parameters(),
)
@router.get("/api/video/history", openapi_extra=page_parameters())
async def list_generations(request: Request) -> Response:
    """List the account's generations, newest first, without repeats of the same request."""
    services = services_of(request)
    account_id = (await services.auth.principal(request)).account_id
    limit, cursor = page_asked(request)
    before = services.generation_cursors.row(account_id, cursor)
    page = await services.read_model.generations(account_id, limit + 1, before)
    rows = page.rows[:limit]
    more = len(page.rows) > limit
    last = rows[-1] if rows else None
    content = GenerationList(
        items=tuple(answers.summary(row) for row in rows),
        total=page.total,
        next_cursor=services.generation_cursors.of_row(account_id, last.created_at, last.job_id)
        if more and last
        else None,
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
