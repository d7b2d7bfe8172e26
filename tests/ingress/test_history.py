"""The history's filters, and the cursors that hold them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ingress.history import HistoryFilters
from tests.ingress.conftest import World
from tests.ingress.fakes import NOON, generation_row

PATH = "/v1/generations"
STATUSES = ("completed", "failed", "processing")
MODELS = ("veo-3.1", "sora-2-image")


@pytest.fixture(autouse=True)
def jobs(world: World) -> None:
    """Give ann 12 jobs: each minute one, each status and each model in turn."""
    for n in range(12):
        changes: dict[str, Any] = {"status": STATUSES[n % 3], "model": MODELS[n % 2]}
        if changes["status"] == "completed":
            changes["object_key"] = "ann/clip.mp4"
        world.read_model.rows.append(("ann", generation_row(n, **changes)))


async def listed(client: httpx.AsyncClient, query: str) -> list[int]:
    answer = await client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.text
    return [int(item["prompt"].removeprefix("prompt ")) for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", [10, 7, 4, 1]),
        ("status=failed,completed", [10, 9, 7, 6, 4, 3, 1, 0]),
        ("status=failed&status=completed", [10, 9, 7, 6, 4, 3, 1, 0]),
        ("status=cancelled", []),
        ("model=sora-2-image", [11, 9, 7, 5, 3, 1]),
        ("model=sora-2-image&status=failed", [7, 1]),
        ("created_from=2026-03-01T12:09:00Z", [11, 10, 9]),
        ("created_to=2026-03-01T12:02:00Z", [1, 0]),
        ("created_from=2026-03-01T12:04:00Z&created_to=2026-03-01T12:06:00Z", [5, 4]),
        ("created_from=2026-03-01T14:09:00%2B02:00", [11, 10, 9]),
        ("created_from=2026-03-01T12:10:59.999999Z", [11]),
        ("status=completed&created_to=2026-03-01T12:06:00Z", [3, 0]),
    ],
)
async def test_a_filter_leaves_only_what_it_names(
    ann: httpx.AsyncClient, query: str, expected: list[int]
):
    assert await listed(ann, query) == expected


@pytest.mark.parametrize(
    ("query", "field", "remedy"),
    [
        ("status=done", "status", "requested, rejected, pending"),
        ("status=failed,done", "status", "requested, rejected, pending"),
        ("status=", "status", "requested, rejected, pending"),
        ("status=FAILED", "status", "failed"),
        ("model=veo", "model", "veo-3.1"),
        ("model=veo-3.1&model=veo-3.1", "model", "send it once"),
        ("created_from=2026-03-01", "created_from", "2026-03-01T00:00:00Z"),
        ("created_from=2026-03-01T12:00:00", "created_from", "2026-03-01T00:00:00Z"),
        ("created_from=2026-03-01T12:00:00+02:00", "created_from", "%2B"),
        ("created_from=2026-02-30T12:00:00Z", "created_from", "2026-03-01T00:00:00Z"),
        ("created_from=0001-01-01T00:00:00%2B14:00", "created_from", "2026-03-01T00:00:00Z"),
        ("created_to=1772366400", "created_to", "2026-03-01T00:00:00Z"),
        ("created_to=%00", "created_to", "2026-03-01T00:00:00Z"),
        (
            "created_from=2026-03-01T12:00:00Z&created_to=2026-03-01T12:00:00Z",
            "created_to",
            "later",
        ),
        ("limit=2&limit=3", "limit", "send it once"),
        ("cursor=a&cursor=b", "cursor", "send it once"),
        ("offset=20", "offset", "cursor"),
        ("state=failed", "state", "status"),
    ],
)
async def test_a_wrong_value_is_refused_by_name_with_its_remedy(
    ann: httpx.AsyncClient, query: str, field: str, remedy: str
):
    answer = await ann.get(f"{PATH}?{query}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert remedy in error["remedy"]


async def test_every_wrong_value_is_named_at_once(ann: httpx.AsyncClient):
    query = "status=x&model=y&created_from=z&limit=0&page=2"
    errors = (await ann.get(f"{PATH}?{query}")).json()["errors"]
    assert {error["field"] for error in errors} == {
        "status",
        "model",
        "created_from",
        "limit",
        "page",
    }


async def test_a_filtered_list_is_paged_without_gap_or_repeat_while_jobs_arrive(
    world: World, ann: httpx.AsyncClient
):
    """C09."""
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await ann.get(f"{PATH}?status=failed,completed&limit=3{cursor}")).json()
        seen += [item["prompt"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        arrived = generation_row(100 + len(seen), status="failed")
        world.read_model.rows.append(("ann", arrived))
    assert seen == [f"prompt {n}" for n in (10, 9, 7, 6, 4, 3, 1, 0)]


async def test_a_cursor_is_good_only_with_the_filters_it_was_given_for(ann: httpx.AsyncClient):
    query = "status=failed,completed&created_from=2026-03-01T12:00:00Z&limit=1"
    cursor = (await ann.get(f"{PATH}?{query}")).json()["next_cursor"]
    same = "status=completed&status=failed&created_from=2026-03-01T13:00:00%2B01:00"
    assert await listed(ann, f"{same}&limit=1&cursor={cursor}") == [9]
    for other in (
        "limit=1",
        "status=failed",
        f"{same}&model=veo-3.1",
        f"{same}&created_to=2026-03-02T00:00:00Z",
        "status=failed,completed&created_to=2026-03-01T12:00:00Z",
    ):
        answer = await ann.get(f"{PATH}?{other}&cursor={cursor}")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (422, "cursor")
        assert error["problem"] == "is of a page with other filters"
        assert "unchanged" in error["remedy"]


def test_no_two_filters_make_the_same_list():
    at = NOON.astimezone(UTC)
    filters = [
        HistoryFilters(),
        HistoryFilters(statuses=("failed",)),
        HistoryFilters(statuses=("completed", "failed")),
        HistoryFilters(model="failed"),
        HistoryFilters(created_from=at),
        HistoryFilters(created_to=at),
        HistoryFilters(created_from=at, created_to=at + timedelta(days=1)),
        HistoryFilters(created_from=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)),
    ]
    assert len({each.list_id for each in filters}) == len(filters)
    assert {len(each.list_id) for each in filters} == {8}
