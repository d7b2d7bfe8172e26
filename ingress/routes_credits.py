"""`/v1/credits` and `/v1/models`: what an account has, how it moved, what can be bought."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from domain.catalogue import CATALOGUE
from ingress import answers
from ingress.cursors import page_asked
from ingress.documents import page_parameters
from ingress.model_ids import MODEL_IDS
from ingress.models import CreditsAnswer, ModelList, ModelRow, TransactionList
from ingress.services import services_of

router = APIRouter(tags=["credits"])


@router.get("/v1/credits", responses=answers.documented(CreditsAnswer, 200, 503))
async def read_credits(request: Request) -> Response:
    """Say what the account has; granted = available + reserved + settled, always."""
    services = services_of(request)
    account_id = (await services.auth.principal(request)).account_id
    row = await services.read_model.account(account_id)
    content = CreditsAnswer(
        account_id=account_id,
        available_credits=row.available_credits,
        reserved_credits=row.reserved_credits,
        settled_credits=row.settled_credits,
        granted_credits=row.granted_credits,
    )
    return answers.answer(content)


@router.get(
    "/v1/credits/transactions",
    responses=answers.documented(TransactionList, 200, 422, 503),
    openapi_extra=page_parameters(),
)
async def list_transactions(request: Request) -> Response:
    """List the movements of the account's balance, newest first."""
    services = services_of(request)
    account_id = (await services.auth.principal(request)).account_id
    limit, cursor = page_asked(request)
    cursors = services.transaction_cursors
    before = cursors.sequence(account_id, cursor)
    page = await services.read_model.transactions(account_id, limit + 1, before)
    rows = page.rows[:limit]
    more = len(page.rows) > limit
    content = TransactionList(
        items=tuple(answers.transaction(row) for row in rows),
        total=page.total,
        total_is_exact=page.total_is_exact,
        next_cursor=cursors.of_sequence(account_id, rows[-1].sequence) if more else None,
    )
    return answers.answer(content)


@router.get("/v1/models", responses=answers.documented(ModelList, 200))
async def list_models(request: Request) -> Response:
    """List the models with their settings and prices."""
    await services_of(request).auth.principal(request)
    items = tuple(
        ModelRow(
            id=MODEL_IDS[model.name],
            name=model.name,
            resolutions=model.resolutions,
            aspect_ratios=model.aspect_ratios,
            durations_seconds=model.durations_seconds,
            price_credits_by_duration=dict(model.price_credits_by_duration),
            prompt_tokens_max=model.prompt_tokens_max,
            default_duration_seconds=model.default_duration_seconds,
            default_resolution=model.default_resolution,
            default_aspect_ratio=model.default_aspect_ratio,
            takes_negative_prompt=model.takes_negative_prompt,
            needs_image=model.needs_image,
        )
        for model in CATALOGUE.values()
    )
    return answers.answer(ModelList(items=items))
