from datetime import timedelta

import httpx
import pytest

from ingress import auth
from ingress.ports import BrokerUnavailable
from schemas.requests import CreditGrantRequested
from tests.ingress.conftest import ADMIN_KEY, World, api_key

GRANT = {"account_id": "ann", "amount_credits": 100, "reason": "welcome"}
GRANTS, KEYS = "/v1/admin/credits/grants", "/v1/admin/keys"


async def test_a_grant_is_answered_201_with_the_balance(world: World, admin: httpx.AsyncClient):
    answer = await admin.post(GRANTS, json=GRANT, headers={"Idempotency-Key": "welcome-ann"})
    content = answer.json()
    assert (answer.status_code, content["status"], content["balance_after"]) == (
        *(201, "granted", 100),
    )
    assert content["idempotency_key"] == "welcome-ann"
    event = world.publisher.published[0].event
    assert isinstance(event, CreditGrantRequested)
    assert (event.account_id, event.requested_by) == ("ann", "admin")
    assert event.idempotency_key == "grant:welcome-ann"


async def test_a_grant_without_a_key_is_named_by_its_request(
    world: World, admin: httpx.AsyncClient
):
    answer = await admin.post(GRANTS, json=GRANT)
    request_id = answer.headers["x-request-id"]
    assert answer.json()["idempotency_key"] == request_id
    assert getattr(world.publisher.published[0].event, "idempotency_key", "") == (
        f"grant:{request_id}"
    )


async def test_a_repeated_grant_is_answered_as_the_first_was_and_adds_nothing(
    world: World, admin: httpx.AsyncClient
):
    """I12, S2-14."""
    headers = {"Idempotency-Key": "once"}
    first = await admin.post(GRANTS, json=GRANT, headers=headers)
    world.now += timedelta(seconds=1)
    repeated = await admin.post(GRANTS, json=GRANT, headers=headers)
    assert (repeated.status_code, repeated.content) == (first.status_code, first.content)
    assert repeated.headers["X-Idempotent-Replay"] == "true"
    assert "X-Idempotent-Replay" not in first.headers
    assert (await admin.post(GRANTS, json=GRANT)).json()["balance_after"] == 200


@pytest.mark.parametrize("change", [{"amount_credits": 99}, {"reason": "another"}])
async def test_a_grants_key_with_another_body_is_422(
    admin: httpx.AsyncClient, change: dict[str, object]
):
    """S2-20."""
    headers = {"Idempotency-Key": "once"}
    await admin.post(GRANTS, json=GRANT, headers=headers)
    refused = await admin.post(GRANTS, json={**GRANT, **change}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_grant_while_the_broker_is_away_is_answered_503(
    world: World, admin: httpx.AsyncClient
):
    world.publisher.error = BrokerUnavailable("away")
    answer = await admin.post(GRANTS, json=GRANT, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 503
    assert answer.json()["details"]["idempotency_key"] == "k"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_credits", 0),
        ("amount_credits", -1),
        ("amount_credits", 10**12 + 1),
        ("amount_credits", 2**63),
        ("amount_credits", 0.1),
        ("amount_credits", 1e308),
        ("amount_credits", "\uff11"),
        ("amount_credits", True),
        ("account_id", ""),
        ("account_id", "a b"),
        ("account_id", "a" * 65),
        ("account_id", 7),
        ("reason", ""),
        ("reason", "\u0000"),
        ("reason", "x" * 2001),
    ],
)
async def test_a_wrong_grant_is_refused(
    world: World, admin: httpx.AsyncClient, field: str, value: object
):
    """Torture row 35."""
    answer = await admin.post(GRANTS, json={**GRANT, field: value})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert world.publisher.published == []


@pytest.mark.parametrize("amount_credits", [1, 10**12])
async def test_a_grant_may_be_1_to_a_million_million(admin: httpx.AsyncClient, amount_credits: int):
    body = {**GRANT, "amount_credits": amount_credits}
    assert (await admin.post(GRANTS, json=body)).json()["balance_after"] == amount_credits


@pytest.mark.parametrize(
    ("method", "path"), [("POST", GRANTS), ("POST", KEYS), ("GET", KEYS), ("DELETE", KEYS + "/1")]
)
async def test_a_clients_key_opens_no_admin_route(
    world: World, ann: httpx.AsyncClient, nobody: httpx.AsyncClient, method: str, path: str
):
    answer = await ann.request(method, path, content=b"not json")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert (await nobody.request(method, path)).status_code == 401
    assert world.publisher.published == []


async def test_a_new_key_is_shown_once_and_works_until_it_is_revoked(
    world: World, admin: httpx.AsyncClient
):
    """I28: only its hash is kept."""
    made = await admin.post(KEYS, json={"account_id": "carol"})
    content = made.json()
    key = content["api_key"]
    assert (made.status_code, content["role"], content["account_id"]) == (201, "client", "carol")
    assert auth.key_hash(key.encode()) in world.read_model.known_keys
    assert made.headers["cache-control"] == "no-store"
    listed = await admin.get(KEYS)
    assert [item["key_id"] for item in listed.json()["items"]] == [content["key_id"]]
    assert key not in listed.text
    async with world.client(key) as carol:
        assert (await carol.get("/v1/credits")).json()["account_id"] == "carol"
        for _ in range(2):
            assert (await admin.delete(f"{KEYS}/{content['key_id']}")).status_code == 204
        assert (await carol.get("/v1/credits")).status_code == 401


async def test_a_key_with_the_role_admin_opens_admin_routes(world: World, admin: httpx.AsyncClient):
    made = await admin.post(KEYS, json={"account_id": "dora", "role": "admin"})
    async with world.client(made.json()["api_key"]) as dora:
        assert (await dora.post(GRANTS, json=GRANT)).status_code == 201
    assert getattr(world.publisher.published[0].event, "requested_by", "") == "dora"


@pytest.mark.parametrize("body", [{"account_id": "x", "role": "owner"}, {"role": "admin"}])
async def test_a_wrong_key_request_is_refused(admin: httpx.AsyncClient, body: dict[str, str]):
    assert (await admin.post(KEYS, json=body)).status_code == 422


@pytest.mark.parametrize("key_id", ["x", "00000000-0000-4000-8000-000000000000"])
async def test_a_key_that_is_not_there_cannot_be_revoked(admin: httpx.AsyncClient, key_id: str):
    assert (await admin.delete(f"{KEYS}/{key_id}")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer tw_wrong"},
        {"Authorization": f"Bearer {api_key('stranger')}"},
        {"Authorization": f"Basic {api_key('ann')}"},
        {"Authorization": f"Bearer {ADMIN_KEY}x"},
        {"X-API-Key": "tw_wrong"},
        # The header that was meant decides, whatever the other one holds.
        {"Authorization": "Bearer tw_wrong", "X-API-Key": api_key("ann")},
        {"Authorization": b"Bearer caf\xe9"},
    ],
)
async def test_without_a_valid_key_the_answer_is_401_whatever_else_is_wrong(
    world: World, nobody: httpx.AsyncClient, headers: dict[str, str]
):
    """S0-11, S0-74, S2-02."""
    world.add_account("ann")
    for method, path, body in (
        ("POST", "/v1/generations", b"\xff not json"),
        ("GET", "/v1/generations?limit=wrong", b""),
        ("GET", "/v1/generations/no-id", b""),
        ("POST", "/v1/generations/no-id/cancel", b""),
        ("GET", "/v1/credits", b""),
        ("GET", "/v1/models", b""),
        ("POST", GRANTS, b""),
    ):
        answer = await nobody.request(method, path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "tw_" not in answer.json()["detail"]


async def test_a_key_may_come_in_x_api_key(world: World, nobody: httpx.AsyncClient):
    headers = {"X-API-Key": world.add_account("ann")}
    assert (await nobody.get("/v1/credits", headers=headers)).json()["account_id"] == "ann"


async def test_a_key_is_looked_up_once_a_minute(world: World, ann: httpx.AsyncClient):
    for _ in range(3):
        await ann.get("/v1/models")
    assert world.read_model.key_lookups == 1
    world.seconds_ahead = auth.FRESH_SECONDS + 1
    await ann.get("/v1/models")
    assert world.read_model.key_lookups == 2


async def test_a_revoked_key_stops_working_within_the_minute(world: World, ann: httpx.AsyncClient):
    await ann.get("/v1/models")
    # Revoked by another process.
    world.read_model.known_keys.clear()
    assert (await ann.get("/v1/models")).status_code == 200
    world.seconds_ahead = auth.FRESH_SECONDS + 1
    assert (await ann.get("/v1/models")).status_code == 401


async def test_a_known_key_keeps_working_while_the_database_is_away(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    await ann.get("/v1/models")
    world.read_model.away = True
    world.seconds_ahead = auth.FRESH_SECONDS + 1
    for _ in range(3):
        assert (await ann.get("/v1/models")).status_code == 200
    # One of the three waited for the database; the others went on at once.
    assert world.read_model.key_lookups == 2
    unknown = await bob.get("/v1/models")
    assert (unknown.status_code, unknown.json()["code"]) == (503, "DATABASE_UNAVAILABLE")


async def test_the_keys_that_are_remembered_are_bounded(world: World, monkeypatch):
    monkeypatch.setattr(auth, "KEYS_REMEMBERED_MAX", 2)
    keys = [world.add_account(name) for name in ("ann", "bob", "carol")]
    for key in (*keys, keys[2], keys[0]):
        async with world.client(key) as client:
            await client.get("/v1/models")
    assert world.read_model.key_lookups == 4


async def test_no_admin_key_is_set_means_that_none_works(tmp_path):
    world = World(tmp_path / "media", admin_key="")
    async with world.client("") as client:
        assert (await client.get(KEYS)).status_code == 401
