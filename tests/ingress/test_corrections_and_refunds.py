"""Credits that administrators take back or give back by hand, and what jobs cost us."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from ingress.rows import JobCostRow
from schemas.base import Event
from schemas.envelope import Cause
from schemas.generation import GenerationCancelled
from schemas.requests import CreditAdjustmentRequested, HandRefundRequested
from tests.ingress.conftest import World
from tests.ingress.fakes import NOON

ADJUSTMENTS = "/v1/admin/credits/adjustments"
CORRECTION = {"account_id": "ann", "amount_credits": -30, "reason": "granted twice"}
REASON = {"reason": "the clip flickers"}


def refund_path(job_id: str) -> str:
    return f"/v1/admin/generations/{job_id}/refund"


def cost_row(job_id: str, **changes: object) -> JobCostRow:
    values: dict[str, object] = {
        "job_id": UUID(job_id),
        "account_id": "ann",
        "status": "completed",
        "model": "veo-3.1",
        "provider": "google",
        "operation_id": "models/veo/operations/1",
        "price_credits": 80,
        "refunded_credits": None,
        "cost_micro_dollars": 3_200_000,
        "created_at": NOON,
        "completed_at": NOON,
        **changes,
    }
    return JobCostRow(**values)  # type: ignore[arg-type]  # each is of its field's type


async def active_job(world: World, ann: httpx.AsyncClient) -> str:
    await world.grant("ann", 100)
    job_id = str((await ann.post("/v1/generations", json={"prompt": "a fox"})).json()["id"])
    world.read_model.costs.append(cost_row(job_id))
    return job_id


def tell_ledger(world: World, event: Event) -> None:
    world.ledger.answer(Cause(str(uuid4()), str(uuid4())).envelop(event, 0, "/tests"))


async def settled_job(world: World, ann: httpx.AsyncClient) -> str:
    job_id = await active_job(world, ann)
    tell_ledger(
        world,
        GenerationCancelled(
            account_id="ann", occurred_at=NOON, job_id=job_id, submitted=True, requested_by="owner"
        ),
    )
    return job_id


async def test_a_correction_is_answered_201_with_the_balance(
    world: World, admin: httpx.AsyncClient
):
    await world.grant("ann", 100)
    answer = await admin.post(ADJUSTMENTS, json=CORRECTION, headers={"Idempotency-Key": "fix"})
    content = answer.json()
    assert (answer.status_code, content["status"], content["balance_after"]) == (
        201,
        "adjusted",
        70,
    )
    assert (content["amount_credits"], content["idempotency_key"]) == (-30, "fix")
    event = world.publisher.published[-1].event
    assert isinstance(event, CreditAdjustmentRequested)
    assert (event.requested_by, event.idempotency_key) == ("admin", "adjust:fix")


async def test_a_correction_below_zero_says_what_is_missing_and_takes_nothing(
    world: World, admin: httpx.AsyncClient
):
    """I03."""
    await world.grant("ann", 29)
    refused = await admin.post(ADJUSTMENTS, json=CORRECTION)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "BALANCE_TOO_LOW")
    assert problem["details"] == {"requested": -30, "available": 29, "shortfall": 1}
    assert "29" in problem["detail"]
    exact = await admin.post(ADJUSTMENTS, json={**CORRECTION, "amount_credits": -29})
    assert exact.json()["balance_after"] == 0


async def test_a_repeated_correction_is_answered_as_the_first_was(
    world: World, admin: httpx.AsyncClient
):
    """I12."""
    await world.grant("ann", 100)
    headers = {"Idempotency-Key": "fix"}
    first = await admin.post(ADJUSTMENTS, json=CORRECTION, headers=headers)
    world.now += timedelta(seconds=1)
    repeated = await admin.post(ADJUSTMENTS, json=CORRECTION, headers=headers)
    assert (repeated.status_code, repeated.content) == (201, first.content)
    assert repeated.headers["X-Idempotent-Replay"] == "true"
    other = await admin.post(ADJUSTMENTS, json={**CORRECTION, "reason": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_credits", 0),
        ("amount_credits", 10**12 + 1),
        ("amount_credits", -(10**12) - 1),
        ("amount_credits", -0.5),
        ("amount_credits", "-30"),
        ("amount_credits", True),
        ("account_id", "a b"),
        ("reason", " "),
        ("reason", "x" * 2001),
    ],
)
async def test_a_wrong_correction_is_refused(
    world: World, admin: httpx.AsyncClient, field: str, value: object
):
    """Torture row 35."""
    answer = await admin.post(ADJUSTMENTS, json={**CORRECTION, field: value})
    fault = answer.json()["errors"][0]
    assert (answer.status_code, fault["field"]) == (422, field)
    assert fault["problem"]
    assert fault["remedy"]
    assert world.publisher.published == []


async def test_a_job_that_kept_its_price_is_refunded_by_hand_once(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    """Decision 0020."""
    job_id = await settled_job(world, ann)
    headers = {"Idempotency-Key": "ticket-81"}
    first = await admin.post(refund_path(job_id), json=REASON, headers=headers)
    content = first.json()
    assert (first.status_code, content["status"]) == (201, "refunded")
    assert (content["amount_credits"], content["balance_after"]) == (80, 100)
    event = world.publisher.published[-1].event
    assert isinstance(event, HandRefundRequested)
    assert (event.account_id, event.requested_by, event.reason) == (
        *("ann", "admin", "the clip flickers"),
    )
    world.now += timedelta(seconds=1)
    repeated = await admin.post(refund_path(job_id), json=REASON, headers=headers)
    assert (repeated.status_code, repeated.content) == (201, first.content)
    assert repeated.headers["X-Idempotent-Replay"] == "true"
    again = await admin.post(refund_path(job_id), json=REASON)
    assert (again.status_code, again.json()["code"]) == (409, "ALREADY_REFUNDED")


async def test_a_running_job_is_not_refunded_by_hand(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    job_id = await active_job(world, ann)
    refused = await admin.post(refund_path(job_id), json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_STILL_ACTIVE")


async def test_a_job_that_ended_30_days_ago_is_not_refunded_by_hand(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    job_id = await settled_job(world, ann)
    world.now += timedelta(days=30)
    refused = await admin.post(refund_path(job_id), json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "NOT_REFUNDABLE")
    assert "30 days" in refused.json()["title"]


@pytest.mark.parametrize("job_id", ["no-id", "705be1fb-08d6-4911-a259-ff2ba205388b"])
async def test_a_job_that_is_not_known_is_404(world: World, admin: httpx.AsyncClient, job_id: str):
    assert (await admin.post(refund_path(job_id), json=REASON)).status_code == 404
    assert (await admin.get(f"/v1/admin/generations/{job_id}/cost")).status_code == 404
    assert world.publisher.published == []


async def test_a_refund_needs_a_reason(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    job_id = await settled_job(world, ann)
    for wrong in ({}, {"reason": ""}, {**REASON, "amount_credits": 1}):
        assert (await admin.post(refund_path(job_id), json=wrong)).status_code == 422


async def test_an_undecided_change_is_answered_as_requested(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    job_id = await settled_job(world, ann)
    world.ledger.silent = True
    for path, asked in ((ADJUSTMENTS, CORRECTION), (refund_path(job_id), REASON)):
        answer = await admin.post(path, json=asked)
        assert (answer.status_code, answer.json()["status"]) == (202, "requested")


@pytest.mark.parametrize("start", ["grant:", "adjust:", "refund:"])
async def test_a_clients_key_cannot_stand_in_the_way_of_a_change_by_hand(
    ann: httpx.AsyncClient, start: str
):
    headers = {"Idempotency-Key": f"{start}1"}
    refused = await ann.post("/v1/generations", json={"prompt": "a fox"}, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_an_administrator_sees_what_a_job_cost_us_apart_from_its_credits(
    world: World, admin: httpx.AsyncClient, ann: httpx.AsyncClient
):
    """I37, S4-95: micro-dollars, never added to credits; nobody else sees them."""
    job_id = await settled_job(world, ann)
    path = f"/v1/admin/generations/{job_id}/cost"
    content = (await admin.get(path)).json()
    assert (content["price_credits"], content["refunded_credits"]) == (80, 0)
    assert (content["provider"], content["cost_micro_dollars"]) == ("google", 3_200_000)
    assert (await ann.get(path)).status_code == 403
    assert (await ann.post(refund_path(job_id), json=REASON)).status_code == 403
    assert (await ann.post(ADJUSTMENTS, json=CORRECTION)).status_code == 403
