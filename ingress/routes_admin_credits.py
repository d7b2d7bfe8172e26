"""`/v1/admin`: credits given and taken by hand, and what jobs cost, for administrators alone."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.auth import Principal
from ingress.bodies import json_object
from ingress.calls import call_of
from ingress.declines import decline_problem
from ingress.documents import BODY_ERRORS, body, header_key
from ingress.inputs import AdjustmentInput, GrantInput, HandRefundInput
from ingress.jobs import JOB_ID, REPLAY_HEADER, not_published
from ingress.models import AdjustmentAnswer, GrantAnswer, HandRefundAnswer, JobCost, Output
from ingress.ports import BrokerUnavailable
from ingress.problems import FieldFault, ProblemError, invalid
from ingress.rows import JobCostRow
from ingress.services import Services, services_of
from ingress.validation import (
    ADJUSTMENT_KEY_PREFIX,
    GRANT_KEY_PREFIX,
    REFUND_KEY_PREFIX,
    checked_text,
    idempotency_key,
    parsed,
)
from runtime.logs import logger
from schemas.base import Event
from schemas.ledger import (
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefundedByHand,
    FirstChange,
    HandRefundDeclined,
)
from schemas.requests import (
    CreditAdjustmentRequested,
    CreditGrantRequested,
    HandRefundRequested,
)

log = logger(__name__)
router = APIRouter(tags=["admin"])
# 2,000: what an event's reason holds (schemas.base.LongText).
REASON_CHARACTERS_MAX = 2000
_KEYED = {"parameters": [header_key()]}


@router.post(
    "/v1/admin/credits/grants",
    status_code=201,
    responses=answers.documented(GrantAnswer, 201, 403, 503, *BODY_ERRORS),
    openapi_extra={**_KEYED, **body(GrantInput)},
)
async def grant_credits(request: Request) -> Response:
    """Grant credits to an account; 202 where the ledger had not answered in time.

    A repeat with the same Idempotency-Key adds nothing and is answered as the first was.
    """
    principal, key = await _signed(request, GRANT_KEY_PREFIX)
    asked = parsed(GrantInput, await json_object(request))
    event = CreditGrantRequested(
        account_id=asked.account_id,
        occurred_at=services_of(request).clock(),
        amount_credits=asked.amount_credits,
        reason=_checked_reason(asked.reason),
        requested_by=principal.account_id,
        idempotency_key=GRANT_KEY_PREFIX + key,
    )
    change, replayed = await _change(request, event, key)
    content = GrantAnswer(
        account_id=asked.account_id,
        amount_credits=asked.amount_credits,
        status="granted" if change else "requested",
        **_outcome(change, key, event.occurred_at),
    )
    return _answer(content, change, replayed=replayed)


@router.post(
    "/v1/admin/credits/adjustments",
    status_code=201,
    responses=answers.documented(AdjustmentAnswer, 201, 403, 409, 503, *BODY_ERRORS),
    openapi_extra={**_KEYED, **body(AdjustmentInput)},
)
async def adjust_credits(request: Request) -> Response:
    """Correct an account's balance, up or down, never below zero; 202 while undecided.

    A repeat with the same Idempotency-Key changes nothing and is answered as the first was.
    """
    principal, key = await _signed(request, ADJUSTMENT_KEY_PREFIX)
    asked = parsed(AdjustmentInput, await json_object(request))
    if asked.amount_credits == 0:
        remedy = "send the credits to add or, below zero, to take"
        raise invalid(FieldFault("amount_credits", "is 0", remedy))
    event = CreditAdjustmentRequested(
        account_id=asked.account_id,
        occurred_at=services_of(request).clock(),
        amount_credits=asked.amount_credits,
        reason=_checked_reason(asked.reason),
        requested_by=principal.account_id,
        idempotency_key=ADJUSTMENT_KEY_PREFIX + key,
    )
    change, replayed = await _change(request, event, key)
    content = AdjustmentAnswer(
        account_id=asked.account_id,
        amount_credits=asked.amount_credits,
        status="adjusted" if change else "requested",
        **_outcome(change, key, event.occurred_at),
    )
    return _answer(content, change, replayed=replayed)


@router.post(
    "/v1/admin/generations/{generation_id}/refund",
    status_code=201,
    responses=answers.documented(HandRefundAnswer, 201, 403, 404, 409, 503, *BODY_ERRORS),
    openapi_extra={**_KEYED, **body(HandRefundInput)},
)
async def refund_generation(request: Request, generation_id: str) -> Response:
    """Give back the whole price of a job that kept it, once, within 30 days of its end.

    A repeat with the same Idempotency-Key changes nothing and is answered as the first was.
    """
    principal, key = await _signed(request, REFUND_KEY_PREFIX)
    asked = parsed(HandRefundInput, await json_object(request))
    reason = _checked_reason(asked.reason)
    row = await _found(services_of(request), generation_id)
    event = HandRefundRequested(
        account_id=row.account_id,
        occurred_at=services_of(request).clock(),
        job_id=str(row.job_id),
        reason=reason,
        requested_by=principal.account_id,
        idempotency_key=REFUND_KEY_PREFIX + key,
    )
    change, replayed = await _change(request, event, key)
    content = HandRefundAnswer(
        generation_id=event.job_id,
        account_id=row.account_id,
        amount_credits=change.amount_credits if change else None,
        status="refunded" if change else "requested",
        **_outcome(change, key, event.occurred_at),
    )
    return _answer(content, change, replayed=replayed)


@router.get(
    "/v1/admin/generations/{generation_id}/cost",
    responses=answers.documented(JobCost, 200, 403, 404, 503),
)
async def read_cost(request: Request, generation_id: str) -> Response:
    """Say what a job cost its owner, in credits, and us, in micro-dollars; each look is logged."""
    services = services_of(request)
    principal = await services.auth.administrator(request)
    row = await _found(services, generation_id)
    log.info("cost_read", by=principal.account_id, job_id=str(row.job_id))
    return answers.answer(answers.job_cost(row))


async def _signed(request: Request, prefix: str) -> tuple[Principal, str]:
    """Give the administrator and the key that names the change; the request's id without one."""
    principal = await services_of(request).auth.administrator(request)
    key = idempotency_key(request, prefix) or prefix + call_of(request).request_id
    return principal, key.removeprefix(prefix)


def _checked_reason(reason: str) -> str:
    faults: list[FieldFault] = []
    checked = checked_text("reason", reason, faults, REASON_CHARACTERS_MAX)
    if faults:
        raise invalid(*faults)
    return checked


async def _found(services: Services, job_id: str) -> JobCostRow:
    job_id = job_id.lower()
    row = await services.read_model.job_cost(job_id) if JOB_ID.fullmatch(job_id) else None
    if row is None:
        raise ProblemError(
            "NOT_FOUND", "No generation has this id; a new one may take a moment to be seen here."
        )
    return row


async def _change(request: Request, event: Event, key: str) -> tuple[FirstChange | None, bool]:
    """Ask the ledger; give what the change came to, None if undecided, and whether it is a repeat.

    Raises: ProblemError where the ledger refused; BROKER_UNAVAILABLE.
    """
    try:
        decision = await services_of(request).desk.decision_on(request, event)
    except BrokerUnavailable as error:
        raise not_published(error, key) from error
    match decision and decision.event:
        case None:
            return None, False
        case CreditsGranted() | CreditsAdjusted() | CreditsRefundedByHand() as changed:
            change = FirstChange(
                amount_credits=changed.amount_credits,
                balance_after=changed.balance_after,
                changed_at=changed.occurred_at,
            )
            return change, False
        case CreditChangeDeclined() | HandRefundDeclined() as declined:
            if declined.first_change is not None:
                return declined.first_change, True
            details = getattr(declined, "details", {})
            raise decline_problem(declined.code, details)
        case other:
            raise AssertionError(f"{type(other).__name__} decides no change of credits")


def _outcome(change: FirstChange | None, key: str, asked_at: datetime) -> dict[str, Any]:
    return {
        "balance_after": change.balance_after if change else None,
        "idempotency_key": key,
        "created_at": change.changed_at if change else asked_at,
    }


def _answer(content: Output, change: FirstChange | None, *, replayed: bool) -> Response:
    headers = {REPLAY_HEADER: "true"} if replayed else None
    return answers.answer(content, 201 if change else 202, headers)
