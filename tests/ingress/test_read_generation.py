import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from ingress import wait
from tests.ingress.conftest import World
from tests.ingress.fakes import generation_row

PATH = "/v1/generations"
MEDIA: dict[str, Any] = {
    "object_key": "ann/videos/clip-1.mp4",
    "content_type": "video/mp4",
    "size_bytes": 120_000,
    "sha256": "a" * 64,
    "duration_ms": 8000,
    "width_pixels": 1280,
    "height_pixels": 720,
    "frames_per_second": 24.0,
}


async def shown(world: World, client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    row = generation_row(**changes)
    world.read_model.rows.append(("ann", row))
    answer = await client.get(f"{PATH}/{row.job_id}")
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


async def test_a_job_under_way_shows_its_progress_and_its_operation(
    world: World, ann: httpx.AsyncClient
):
    """S0-72, C02."""
    content = await shown(world, ann, status="processing")
    assert (content["status"], content["progress_percent"]) == ("processing", 45)
    assert content["operation_id"] == "models/veo/operations/1"
    assert (content["video"], content["error"], content["thumbnail_url"]) == (None, None, None)


async def test_a_finished_job_shows_its_video(world: World, ann: httpx.AsyncClient):
    """S0-72."""
    content = await shown(world, ann, status="completed", **MEDIA)
    assert content["video"] == {
        "url": f"{PATH}/{content['id']}/video",
        **{name: value for name, value in MEDIA.items() if name != "object_key"},
    }
    assert "clip-1" not in str(content)


async def test_a_job_in_the_providers_queue_shows_how_many_stand_before_it(
    world: World, ann: httpx.AsyncClient
):
    queued = {"provider_state": "queued", "queue_position": 3}
    assert (await shown(world, ann, **queued))["queue_position"] == 3
    for later in ({"provider_state": "running"}, {"status": "failed"}, {"status": "downloading"}):
        content = await shown(world, ann, number=1, **{**queued, **later})
        assert content["queue_position"] is None
        world.read_model.rows.pop()


async def test_the_picture_that_was_sent_is_shown_to_its_owner_alone(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S2-24, I27."""
    image_url = "https://pictures.example/fox.png?token=1"
    content = await shown(world, ann, image_url=image_url, provider_video_id="video_8f2c")
    assert (content["image_url"], content["provider_video_id"]) == (image_url, "video_8f2c")
    assert image_url not in (await ann.get(PATH)).text
    assert image_url not in (await bob.get(f"{PATH}/{content['id']}")).text


async def test_a_failed_job_shows_why_and_what_came_back(world: World, ann: httpx.AsyncClient):
    """S0-87, I09, I22."""
    failure = {
        "category": "generation_timeout",
        "code": "GENERATION_TIMEOUT",
        "message": "The video took too long to make.",
        "retryable": True,
        "suggested_action": "Send the request again, or try a simpler prompt.",
        "details": {"duration_minutes": 15.2},
    }
    content = await shown(world, ann, status="failed", failure=failure, refunded_credits=80)
    del failure["category"]
    assert (content["error"], content["refunded_credits"]) == (failure, 80)


async def test_a_rejected_job_shows_the_code_and_details_its_post_was_answered_with(
    world: World, ann: httpx.AsyncClient
):
    """I22."""
    details = {"required": 40, "available": 30, "shortfall": 10}
    content = await shown(
        world,
        ann,
        status="rejected",
        decline_code="INSUFFICIENT_CREDITS",
        decline_details=details,
    )
    assert content["error"] == {
        "code": "INSUFFICIENT_CREDITS",
        "message": "This generation costs 40 credits; the account has 30, 10 too few.",
        "retryable": False,
        "suggested_action": "Buy credits, or ask for a shorter video.",
        "details": {**details, "deficit": 10},
    }


async def test_an_unknown_job_and_somebody_elses_look_the_same(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S0-73, S0-105, I27."""
    row = generation_row()
    world.read_model.rows.append(("ann", row))
    paths = [f"{PATH}/{row.job_id}", f"{PATH}/{uuid4()}", f"{PATH}/no-id", f"{PATH}/%00"]
    answers = [await bob.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [404] * 4
    bodies = {str({**answer.json(), "instance": None}) for answer in answers}
    assert len(bodies) == 1
    assert (await ann.get(paths[0])).status_code == 200


async def test_an_id_in_capitals_is_the_same_id(world: World, ann: httpx.AsyncClient):
    row = generation_row(job_id=UUID("abcdef00-0000-4000-8000-000000000000"))
    world.read_model.rows.append(("ann", row))
    assert (await ann.get(f"{PATH}/{str(row.job_id).upper()}")).status_code == 200


async def test_a_job_that_is_not_applied_yet_is_waited_for(world: World, ann: httpx.AsyncClient):
    row = generation_row()
    world.decisions.requests_ends = dict.fromkeys(range(8), 5)
    reading = asyncio.create_task(ann.get(f"{PATH}/{row.job_id}"))
    await world.read_model.asked.wait()
    world.read_model.rows.append(("ann", row))
    world.read_model.applied = {"requests": 5}
    assert (await reading).status_code == 200


async def test_a_404_comes_only_once_everything_asked_for_before_is_applied(
    world: World, ann: httpx.AsyncClient, monkeypatch
):
    """design.md section 3: a 404 is never a lie."""
    monkeypatch.setattr(wait, "WAIT_SECONDS_MAX", 0.05)
    world.decisions.requests_ends = dict.fromkeys(range(8), 5)
    world.read_model.applied = {"requests": 4}
    answer = await ann.get(f"{PATH}/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (503, "READ_MODEL_BEHIND")
    world.read_model.applied = {"requests": 5}
    assert (await ann.get(f"{PATH}/{uuid4()}")).status_code == 404


async def test_a_miss_while_the_broker_is_away_is_no_404(world: World, ann: httpx.AsyncClient):
    world.decisions.broker_away = True
    answer = await ann.get(f"{PATH}/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (503, "BROKER_UNAVAILABLE")
    row = generation_row()
    world.read_model.rows.append(("ann", row))
    assert (await ann.get(f"{PATH}/{row.job_id}")).status_code == 200


async def test_a_status_never_goes_back_behind_the_decision_that_was_answered(
    world: World, ann: httpx.AsyncClient
):
    """I20 as a client sees it: POST said pending, so no GET says requested."""
    row = generation_row(status="requested", price_credits=None)
    world.read_model.rows.append(("ann", row))
    world.decisions.ledger_ends = dict.fromkeys(range(8), 7)
    reading = asyncio.create_task(ann.get(f"{PATH}/{row.job_id}"))
    await world.read_model.asked.wait()
    world.read_model.rows[0] = ("ann", generation_row(status="pending"))
    world.read_model.applied = {"ledger.events": 7}
    assert (await reading).json()["status"] == "pending"


async def test_reads_say_503_while_the_database_is_away(world: World, ann: httpx.AsyncClient):
    await ann.get("/v1/models")
    world.read_model.away = True
    paths = [f"{PATH}/{uuid4()}", PATH, "/v1/credits", "/v1/credits/transactions"]
    for path in paths:
        answer = await ann.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "2"


async def test_history_comes_newest_first_in_pages_without_overlap(
    world: World, ann: httpx.AsyncClient
):
    """S0-76, C09: 45 jobs make pages of 20, 20 and 5, though new ones arrive in between."""
    world.read_model.rows += [("ann", generation_row(n)) for n in range(45)]
    sizes, seen, cursor = [], [], None
    while True:
        page = (await ann.get(PATH, params={"cursor": cursor} if cursor else {})).json()
        sizes.append(len(page["items"]))
        seen += [item["prompt"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        world.read_model.rows.append(("ann", generation_row(100 + len(seen))))
    assert (sizes, page["total"]) == ([20, 20, 5], 47)
    assert seen == [f"prompt {n}" for n in range(44, -1, -1)]


async def test_a_history_item_has_what_a_list_needs(world: World, ann: httpx.AsyncClient):
    """S0-75."""
    world.read_model.rows.append(("ann", generation_row(status="completed", **MEDIA)))
    (item,) = (await ann.get(PATH)).json()["items"]
    wanted = {"id", "prompt", "duration_seconds", "resolution", "status", "created_at"}
    assert wanted <= item.keys()
    assert item["video"]["url"] == f"{PATH}/{item['id']}/video"


async def test_history_shows_only_ones_own_jobs(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S0-77, I27."""
    world.read_model.rows.append(("ann", generation_row()))
    assert (await ann.get(PATH)).json()["total"] == 1
    nothing = {"items": [], "total": 0, "total_is_exact": True, "next_cursor": None}
    assert (await bob.get(PATH)).json() == nothing


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "x", "", "1_0", "\uff11"])
async def test_a_limit_outside_1_to_100_is_refused(ann: httpx.AsyncClient, limit: str):
    """C09."""
    answer = await ann.get(PATH, params={"limit": limit})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "limit")


@pytest.mark.parametrize("limit", [1, 100])
async def test_a_limit_of_1_to_100_is_kept(world: World, ann: httpx.AsyncClient, limit: int):
    world.read_model.rows += [("ann", generation_row(n)) for n in range(101)]
    assert len((await ann.get(PATH, params={"limit": limit})).json()["items"]) == limit


async def test_an_unknown_parameter_is_refused(ann: httpx.AsyncClient):
    answer = await ann.get(PATH, params={"offset": 20})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "offset")


async def test_a_cursor_that_is_not_of_this_list_is_refused(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    world.read_model.rows += [("ann", generation_row(n)) for n in range(3)]
    genuine = (await ann.get(PATH, params={"limit": 1})).json()["next_cursor"]
    changed = ("B" if genuine[0] == "A" else "A") + genuine[1:]
    for client, path, cursor in (
        (ann, PATH, changed),
        (ann, PATH, genuine[:-4]),
        (ann, PATH, ""),
        (ann, PATH, "\u00e9"),
        (ann, PATH, "x" * 10_000),
        (ann, "/v1/credits/transactions", genuine),
        (bob, PATH, genuine),
    ):
        answer = await client.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
    assert (await ann.get(PATH, params={"cursor": genuine})).status_code == 200
