"""An account orders so many at once and so many a second: C32, torture.md row 37."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress import pace
from ingress.pace import Pace
from tests.ingress.conftest import World

PATH = "/v1/generations"
BODY = {"prompt": "a paper boat in the rain", "duration_seconds": 8}


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_one_more_for_each_share_of_a_second():
    watch = Watch()
    paced = Pace(10, 5, watch)
    assert [paced.take("ann") for _ in range(5)] == [0.0] * 5
    assert paced.take("ann") == pytest.approx(0.1)
    watch.now += 0.1
    assert paced.take("ann") == 0.0
    assert paced.take("ann") == pytest.approx(0.1)


def test_a_refusal_takes_no_place_and_hurts_nobody_else():
    watch = Watch()
    paced = Pace(1, 1, watch)
    assert paced.take("ann") == 0.0
    assert [paced.take("ann") for _ in range(100)] == pytest.approx([1.0] * 100)
    assert paced.take("ben") == 0.0
    watch.now += 1
    assert paced.take("ann") == 0.0


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 8))
def test_no_stretch_of_time_has_more_orders_than_the_pace_allows(pauses, per_second, at_once):
    watch = Watch()
    paced = Pace(per_second, at_once, watch)
    taken: list[float] = []
    for pause in pauses:
        watch.now += pause
        while paced.take("ann") == 0.0:
            taken.append(watch.now)
    for first, began_at in enumerate(taken):
        for last, ended_at in enumerate(taken[first:], first):
            assert last - first + 1 <= at_once + per_second * (ended_at - began_at) + 0.01


def test_only_so_many_accounts_are_remembered(monkeypatch):
    monkeypatch.setattr(pace, "ACCOUNTS_REMEMBERED_MAX", 2)
    paced = Pace(1, 1, Watch())
    assert [paced.take(name) for name in ("ann", "ben", "cam")] == [0.0] * 3
    assert paced.take("ben") > 0
    assert paced.take("ann") == 0.0


async def test_an_account_that_floods_is_told_when_to_come_back(
    world: World, ann: httpx.AsyncClient
):
    """I19: what is refused is not on the log, and costs nothing."""
    watch = Watch()
    world.app.state.services.pace = Pace(0.5, 4, watch)
    await world.grant("ann", 1000)
    codes = [(await ann.post(PATH, json=BODY)).json().get("code") for _ in range(4)]
    assert codes == [None, None, None, "TOO_MANY_ACTIVE_JOBS"]
    published = len(world.publisher.published)
    refused = await ann.post(PATH, json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["retry-after"] == "2"
    assert refused.json()["retryable"] is True
    async with world.client(world.add_account("ben")) as ben:
        assert (await ben.post(PATH, json=BODY)).status_code == 402
    assert len(world.publisher.published) == published + 1
    watch.now += 2
    assert (await ann.post(PATH, json=BODY)).json()["code"] == "TOO_MANY_ACTIVE_JOBS"


async def test_what_a_flood_sends_is_not_looked_at(world: World, ann: httpx.AsyncClient):
    """Row 37: a refusal costs the less the earlier it comes; what is wrong is said later."""
    watch = Watch()
    world.app.state.services.pace = Pace(1, 1, watch)
    paths = (PATH, "/api/generate-video", "/functions/v1/generate-video")
    assert [(await ann.post(path, content=b"{")).status_code for path in paths] == [415, 415, 422]
    assert (await ann.post(PATH, json=BODY)).status_code == 402
    for path in paths:
        assert (await ann.post(path, content=b"{")).status_code == 429
    watch.now += 1
    assert [(await ann.post(path, content=b"{")).status_code for path in paths] == [415, 415, 422]
