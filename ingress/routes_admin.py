"""`/v1/admin/keys`: API keys, for administrators alone."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ingress import answers
from ingress.auth import key_hash, new_key
from ingress.bodies import json_object
from ingress.cursors import page_asked
from ingress.documents import BODY_ERRORS, body, page_parameters
from ingress.inputs import KeyInput
from ingress.models import Key, KeyList, NewKey
from ingress.problems import ProblemError
from ingress.services import services_of
from ingress.validation import parsed
from runtime.logs import logger

log = logger(__name__)
router = APIRouter(tags=["admin"])


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
