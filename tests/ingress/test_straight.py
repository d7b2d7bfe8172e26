"""The short way to a route answers what the way through FastAPI answers."""

import pytest

from ingress.ports import BrokerUnavailable, TooManyWaiting
from ingress.straight import StraightRoutes
from runtime.database import DatabaseUnavailable

POST = "/v1/generations"
GOOD = {"prompt": "a paper boat", "duration_seconds": 4}
# What differs from call to call, whichever way it goes.
OF_THE_CALL = {"id", "instance", "created_at", "links", "credits_available", "idempotency_key"}


def through_fastapi(app):
    """Let every call of an app take the long way."""
    kept = [entry for entry in app.user_middleware if entry.cls is not StraightRoutes]
    assert len(kept) == len(app.user_middleware) - 1
    app.user_middleware = kept


def shown(answer):
    members = {name: value for name, value in answer.json().items() if name not in OF_THE_CALL}
    members.get("details", {}).pop("idempotency_key", None)
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"x-request-id", "content-length"}
    }
    return answer.status_code, headers, members


def raises(error):
    async def failing(*_):
        raise error

    return failing


def nothing(_):
    return None


def full(world):
    def no_room(_):
        raise TooManyWaiting

    world.decisions.expect = no_room


@pytest.mark.parametrize(
    ("arrange", "call"),
    [
        (nothing, {"method": "POST", "url": POST, "json": GOOD}),
        (nothing, {"method": "POST", "url": POST + "?page=1", "json": GOOD}),
        (nothing, {"method": "POST", "url": POST, "json": {"prompt": ""}}),
        (nothing, {"method": "POST", "url": POST, "content": b"{"}),
        (nothing, {"method": "POST", "url": POST, "json": GOOD, "headers": {"Authorization": "x"}}),
        (nothing, {"method": "PUT", "url": POST, "json": GOOD}),
        (nothing, {"method": "POST", "url": POST + "/", "json": GOOD}),
        (
            lambda world: setattr(world.publisher, "publish", raises(BrokerUnavailable("away"))),
            {"method": "POST", "url": POST, "json": GOOD},
        ),
        (
            lambda world: setattr(world.read_model, "key", raises(DatabaseUnavailable("away"))),
            {"method": "POST", "url": POST, "json": GOOD},
        ),
        (full, {"method": "POST", "url": POST, "json": GOOD}),
        (
            lambda world: setattr(world.publisher, "publish", raises(RuntimeError("a bug"))),
            {"method": "POST", "url": POST, "json": GOOD},
        ),
    ],
)
async def test_both_ways_give_the_same_answer(tmp_path, world, arrange, call):
    answers = []
    other = type(world)(tmp_path / "other")
    through_fastapi(other.app)
    for each in (world, other):
        key = each.add_account("ann")
        await each.grant("ann", 1000)
        arrange(each)
        async with each.client(key) as client:
            answers.append(shown(await client.request(**call)))
    assert answers[0] == answers[1]


async def test_the_metrics_name_the_route_of_the_short_way(ann):
    await ann.post(POST, json=GOOD)
    metrics = (await ann.get("/metrics")).text
    assert f'tapeworks_http_requests_total{{method="POST",route="{POST}",status="402"}}' in metrics
