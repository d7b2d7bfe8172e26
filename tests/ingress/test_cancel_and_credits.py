from uuid import UUID, uuid4

import httpx
import pytest

from domain.catalogue import CATALOGUE
from ingress.ports import BrokerUnavailable
from ingress.rows import AccountRow, TransactionRow
from tests.ingress.conftest import World
from tests.ingress.fakes import NOON, generation_row

PATH = "/v1/generations"


async def reserved(world: World, client: httpx.AsyncClient) -> str:
    """Reserve a job of ann's and show it in the read model."""
    await world.grant("ann", 1000)
    job_id = str((await client.post(PATH, json={"prompt": "a fox"})).json()["id"])
    world.read_model.rows.append(("ann", generation_row(job_id=UUID(job_id), status="pending")))
    return job_id


async def test_a_cancellation_is_answered_with_the_ledgers_decision(
    world: World, ann: httpx.AsyncClient
):
    job_id = await reserved(world, ann)
    answer = await ann.post(f"{PATH}/{job_id}/cancel")
    assert (answer.status_code, answer.json()["cancellation"]) == (202, "accepted")
    assert world.publisher.published[-1].correlation_id == job_id
    again = await ann.post(f"{PATH}/{job_id}/cancel")
    assert (again.status_code, again.json()["cancellation"]) == (202, "already_requested")


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "rejected"])
async def test_an_ended_job_is_not_cancelled(world: World, ann: httpx.AsyncClient, status: str):
    """I20."""
    row = generation_row(status=status)
    world.read_model.rows.append(("ann", row))
    answer = await ann.post(f"{PATH}/{row.job_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_ACTIVE")
    assert world.publisher.published == []


async def test_a_job_that_ended_meanwhile_is_not_cancelled(world: World, ann: httpx.AsyncClient):
    # The ledger knows no reservation of it, the read model still shows it as active.
    row = generation_row(status="processing")
    world.read_model.rows.append(("ann", row))
    answer = await ann.post(f"{PATH}/{row.job_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_ACTIVE")


async def test_somebody_elses_job_is_not_cancelled(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """I27."""
    job_id = await reserved(world, ann)
    published = len(world.publisher.published)
    for wrong in (job_id, uuid4()):
        assert (await bob.post(f"{PATH}/{wrong}/cancel")).status_code == 404
    assert len(world.publisher.published) == published


async def test_an_undecided_cancellation_is_answered_as_requested(
    world: World, ann: httpx.AsyncClient
):
    job_id = await reserved(world, ann)
    world.ledger.silent = True
    assert (await ann.post(f"{PATH}/{job_id}/cancel")).json()["cancellation"] == "requested"
    world.publisher.error = BrokerUnavailable("away")
    assert (await ann.post(f"{PATH}/{job_id}/cancel")).status_code == 503


async def test_an_account_nobody_has_granted_anything_has_zeros(ann: httpx.AsyncClient):
    assert (await ann.get("/v1/credits")).json() == {
        "account_id": "ann",
        "available_credits": 0,
        "reserved_credits": 0,
        "settled_credits": 0,
        "granted_credits": 0,
    }


async def test_an_accounts_credits_are_its_own(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    world.read_model.accounts["ann"] = AccountRow(20, 80, 0, 100)
    assert (await ann.get("/v1/credits")).json()["available_credits"] == 20
    assert (await bob.get("/v1/credits")).json()["available_credits"] == 0


async def test_movements_come_newest_first_in_pages(world: World, ann: httpx.AsyncClient):
    for sequence in range(1, 4):
        row = TransactionRow(sequence, uuid4(), None, "credit_grant", 5, 5 * sequence, "gift", NOON)
        world.read_model.movements.append(("ann", row))
    first = (await ann.get("/v1/credits/transactions", params={"limit": 2})).json()
    rest = (
        await ann.get(
            "/v1/credits/transactions", params={"limit": 2, "cursor": first["next_cursor"]}
        )
    ).json()
    assert [item["balance_after"] for item in first["items"] + rest["items"]] == [15, 10, 5]
    assert (first["total"], rest["next_cursor"]) == (3, None)
    assert first["items"][0].keys() == {
        *("id", "type", "amount_credits", "balance_after", "description", "job_id", "created_at")
    }


async def test_the_models_are_listed_with_their_prices(ann: httpx.AsyncClient):
    """S2-07."""
    items = (await ann.get("/v1/models")).json()["items"]
    model, image_model = items[0], items[-1]
    assert [item["name"] for item in items] == list(CATALOGUE)
    assert (image_model["needs_image"], image_model["default_resolution"]) == (True, "auto")
    assert model["price_credits_by_duration"] == {"4": 40, "6": 60, "8": 80}
    assert model["durations_seconds"] == [4, 6, 8]
