"""`/v1/admin`: grants of credits and API keys, for administrators alone."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.auth import key_hash, new_key
from ingress.bodies import json_object
from ingress.calls import call_of
from ingress.cursors import page_asked
from ingress.documents import BODY_ERRORS, body, header_key, page_parameters
from ingress.jobs import not_published
from ingress.models import GrantAnswer, GrantInput, Key, KeyInput, KeyList, NewKey
from ingress.ports import BrokerUnavailable
from ingress.problems import FieldFault, ProblemError, invalid
from ingress.services import services_of
from ingress.validation import GRANT_KEY_PREFIX, checked_text, idempotency_key, parsed
from runtime.logs import logger
from schemas.ledger import CreditsGranted
from schemas.requests import CreditGrantRequested

log = logger(__name__)
router = APIRouter(tags=["admin"])
# 2,000: what an event's reason holds (schemas.base.LongText).
REASON_CHARACTERS_MAX = 2000


@router.post(
    "/v1/admin/credits/grants",
    status_code=201,
    responses=answers.documented(GrantAnswer, 201, 403, 503, *BODY_ERRORS),
    openapi_extra={"parameters": [header_key()], **body(GrantInput)},
)
async def grant_credits(request: Request) -> Response:
    """Grant credits to an account; 202 where the ledger had not answered in time.

    A repeat with the same Idempotency-Key adds nothing; the ledger does not answer it again.
    """
    services = services_of(request)
    principal = await services.auth.administrator(request)
    plain_key = call_of(request).request_id
    key = idempotency_key(request, GRANT_KEY_PREFIX) or GRANT_KEY_PREFIX + plain_key
    asked = parsed(GrantInput, await json_object(request))
    faults: list[FieldFault] = []
    reason = checked_text("reason", asked.reason, faults, REASON_CHARACTERS_MAX)
    if faults:
        raise invalid(*faults)
    event = CreditGrantRequested(
        account_id=asked.account_id,
        occurred_at=services.clock(),
        amount_credits=asked.amount_credits,
        reason=reason,
        requested_by=principal.account_id,
        idempotency_key=key,
    )
    plain_key = key.removeprefix(GRANT_KEY_PREFIX)
    try:
        decision = await services.desk.decision_on(request, event)
    except BrokerUnavailable as error:
        raise not_published(error, plain_key) from error
    granted = decision.event if decision is not None else None
    assert granted is None or isinstance(granted, CreditsGranted), "answers a grant with a grant"
    content = GrantAnswer(
        account_id=asked.account_id,
        amount_credits=asked.amount_credits,
        status="requested" if granted is None else "granted",
        balance_after=granted.balance_after if granted is not None else None,
        idempotency_key=plain_key,
        created_at=event.occurred_at,
    )
    return answers.answer(content, 202 if granted is None else 201)


@router.post(
    "/v1/admin/keys",
    status_code=201,
    responses=answers.documented(NewKey, 201, 403, 503, *BODY_ERRORS),
    openapi_extra=body(KeyInput),
)
async def create_key(request: Request) -> Response:
    """Make an API key; its text is shown this once."""
    services = services_of(request)
    await services.auth.administrator(request)
    asked = parsed(KeyInput, await json_object(request))
    api_key = new_key()
    row = await services.read_model.add_key(
        key_hash(api_key.encode()), asked.account_id, asked.role
    )
    log.info("key_created", key_id=str(row.key_id), account=row.account_id, role=row.role)
    content = NewKey(**answers.key(row).model_dump(), api_key=api_key)
    return answers.answer(content, 201, {"Cache-Control": "no-store"})


@router.get(
    "/v1/admin/keys",
    responses=answers.documented(KeyList, 200, 403, 422, 503),
    openapi_extra=page_parameters(),
)
async def list_keys(request: Request) -> Response:
    """List all API keys, without their secrets, newest first."""
    services = services_of(request)
    principal = await services.auth.administrator(request)
    limit, cursor = page_asked(request)
    cursors = services.key_cursors
    before = cursors.row(principal.account_id, cursor)
    page = await services.read_model.keys(limit + 1, before)
    rows = page.rows[:limit]
    last = rows[-1] if len(page.rows) > limit else None
    content = KeyList(
        items=tuple(answers.key(row) for row in rows),
        total=page.total,
        total_is_exact=page.total_is_exact,
        next_cursor=cursors.of_row(principal.account_id, last.created_at, last.key_id)
        if last
        else None,
    )
    return answers.answer(content)


@router.delete(
    "/v1/admin/keys/{key_id}",
    status_code=204,
    responses={204: {"description": "Revoked"}, **answers.documented(Key, 200, 403, 404, 503)},
)
async def revoke_key(request: Request, key_id: str) -> Response:
    """Revoke a key; it stops working within a minute. Revoking it again changes nothing."""
    services = services_of(request)
    await services.auth.administrator(request)
    try:
        UUID(key_id)
    except ValueError:
        digest = None
    else:
        digest = await services.read_model.revoke_key(key_id)
    if digest is None:
        raise ProblemError("NOT_FOUND", "No key has this id.")
    services.auth.forget(digest)
    log.info("key_revoked", key_id=key_id)
    return Response(status_code=204)
