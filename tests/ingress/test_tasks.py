"""`/api`: S0's own names over the same rules."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from schemas.requests import GenerationRequested
from tests.ingress.conftest import World
from tests.ingress.fakes import generation_row

PATH = "/api/generate-video"
BODY = {"prompt": "a paper boat", "duration": 4}
DONE: dict[str, Any] = {"status": "completed", "object_key": "ann/clip-1.mp4", "size_bytes": 9}


def asked(world: World) -> GenerationRequested:
    event = world.publisher.published[-1].event
    assert isinstance(event, GenerationRequested)
    return event


async def test_a_task_is_asked_for_in_s0s_names(world: World, ann: httpx.AsyncClient):
    """S0-08, S0-13, C02."""
    await world.grant("ann", 100)
    body = {
        "prompt": "a paper boat",
        "negativePrompt": "rain",
        "aspectRatio": "9:16",
        "resolution": "1080p",
        "duration": 6,
    }
    answer = await ann.post(PATH, json=body)
    assert answer.status_code == 202
    event = asked(world)
    assert answer.json() == {
        "taskId": event.job_id,
        "operationId": None,
        "status": "processing",
        "creditCost": 60,
        "createdAt": "2026-03-01T12:00:00Z",
    }
    assert event.settings.model_dump() == {
        "model": "veo-3.1",
        "duration_seconds": 6,
        "resolution": "1080p",
        "aspect_ratio": "9:16",
    }
    assert event.private.negative_prompt == "rain"


async def test_the_same_key_buys_one_job_whatever_names_it_is_asked_in(
    world: World, ann: httpx.AsyncClient
):
    """I11: the families of paths are names, not ways of their own."""
    await world.grant("ann", 100)
    headers = {"Idempotency-Key": str(uuid4())}
    first = await ann.post(PATH, json=BODY, headers=headers)
    again = await ann.post(PATH, json=BODY, headers=headers)
    assert (again.content, again.headers["x-idempotent-replay"]) == (first.content, "true")
    assert "x-idempotent-replay" not in first.headers
    task_id = first.json()["taskId"]
    plain = {"prompt": "a paper boat", "duration_seconds": 4}
    generation = await ann.post("/v1/generations", json=plain, headers=headers)
    assert (generation.json()["id"], generation.headers["x-idempotent-replay"]) == (task_id, "true")
    job = {"model_id": "veo-3.1", "prompt": "a paper boat", "settings": {"duration": 4}}
    video_job = await ann.post("/functions/v1/generate-video", json=job, headers=headers)
    assert (video_job.json()["job_id"], video_job.headers["x-idempotent-replay"]) == (
        task_id,
        "true",
    )


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"duration": 5}, ["duration"]),
        ({"duration": "6"}, ["duration"]),
        ({"aspectRatio": "1:1"}, ["aspectRatio"]),
        ({"resolution": "4k"}, ["resolution"]),
        ({"negativePrompt": " "}, ["negativePrompt"]),
        ({"negative_prompt": "rain"}, ["negative_prompt"]),
        ({"model": "sora-2-image"}, ["model"]),
        ({"prompt": None, "duration": None}, ["prompt", "duration"]),
        ({"duration": 5, "aspectRatio": "1:1"}, ["duration", "aspectRatio"]),
    ],
)
async def test_a_wrong_field_is_named_as_it_was_sent(
    world: World, ann: httpx.AsyncClient, changes: dict[str, object], fields: list[str]
):
    """S0-08, S0-16, S0-84."""
    answer = await ann.post(PATH, json={**BODY, **changes})
    content = answer.json()
    assert (answer.status_code, content["error"]) == (422, "INVALID_REQUEST")
    assert [error["field"] for error in content["details"]["errors"]] == fields
    assert content["message"] == f"Not valid: {', '.join(fields)}."
    assert all(error["remedy"] for error in content["details"]["errors"])
    assert not world.publisher.published


async def test_too_few_credits_are_answered_as_s0_says(world: World, ann: httpx.AsyncClient):
    """S0-14, S0-84, S0-85."""
    await world.grant("ann", 30)
    answer = await ann.post(PATH, json=BODY)
    content = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (402, "application/json")
    assert content.keys() == {
        "error",
        "message",
        "details",
        "retryable",
        "suggestedAction",
        "requestId",
    }
    assert (content["error"], content["retryable"]) == ("INSUFFICIENT_CREDITS", False)
    sums = {name: content["details"][name] for name in ("required", "available", "deficit")}
    assert sums == {"required": 40, "available": 30, "deficit": 10}


async def test_the_fourth_task_is_told_of_the_three_newest_first(
    world: World, ann: httpx.AsyncClient
):
    """S0-15, S0-34, S0-35."""
    await world.grant("ann", 1000)
    posted = [await ann.post(PATH, json={**BODY, "prompt": f"boat {n}"}) for n in range(3)]
    task_ids = [answer.json()["taskId"] for answer in posted]
    for n, task_id in enumerate(task_ids):
        row = generation_row(n, job_id=task_id, status="pending", duration_seconds=4)
        world.read_model.rows.append(("ann", row))
    answer = await ann.post(PATH, json=BODY)
    details = answer.json()["details"]
    assert (answer.status_code, details["current"], details["limit"]) == (429, 3, 3)
    assert int(answer.headers["retry-after"]) >= 1
    assert [task["task_id"] for task in details["active_tasks"]] == task_ids[::-1]
    assert details["active_tasks"][0] == {
        "task_id": task_ids[2],
        "status": "processing",
        "prompt": "prompt 2",
        "duration": 4,
        "created_at": "2026-03-01T12:02:00Z",
    }


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("requested", "processing"),
        ("pending", "processing"),
        ("processing", "processing"),
        ("downloading", "downloading"),
        ("failed", "failed"),
        ("rejected", "failed"),
        ("cancelled", "failed"),
    ],
)
async def test_every_status_has_a_name_in_s0(
    world: World, ann: httpx.AsyncClient, status: str, shown: str
):
    """C07."""
    row = generation_row(status=status)
    world.read_model.rows.append(("ann", row))
    content = (await ann.get(f"/api/video/status/{row.job_id}")).json()
    assert (content["taskId"], content["status"]) == (str(row.job_id), shown)
    assert (content["operationId"], content["videoUrl"]) == ("models/veo/operations/1", None)


async def test_a_finished_task_gives_an_address_that_plays(
    world: World, ann: httpx.AsyncClient, nobody: httpx.AsyncClient
):
    """S0-72, S0-55, C24."""
    row = generation_row(**DONE)
    world.read_model.rows.append(("ann", row))
    file = world.media_folder / DONE["object_key"]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"123456789")
    content = (await ann.get(f"/api/video/status/{row.job_id}")).json()
    assert content["status"] == "completed"
    video = await nobody.get(content["videoUrl"], headers={"Range": "bytes=0-2"})
    assert (video.status_code, video.content) == (206, b"123")
    assert video.headers["content-type"] == "video/mp4"


async def test_a_timed_out_task_says_so(world: World, ann: httpx.AsyncClient):
    """S0-87, I09."""
    failure = {
        "code": "GENERATION_TIMEOUT",
        "message": "The video took too long to make.",
        "retryable": True,
        "suggested_action": "Send the request again, or try a simpler prompt.",
        "details": {"duration_minutes": 15.2},
    }
    row = generation_row(status="failed", failure=failure, refunded_credits=80)
    world.read_model.rows.append(("ann", row))
    content = (await ann.get(f"/api/video/status/{row.job_id}")).json()
    assert (content["creditCost"], content["creditsRefunded"]) == (80, 80)
    assert {name: value for name, value in content["error"].items() if value is not None} == {
        "error": "GENERATION_TIMEOUT",
        "message": "The video took too long to make.",
        "details": {"duration_minutes": 15.2},
        "retryable": True,
        "suggestedAction": "Send the request again, or try a simpler prompt.",
    }


async def test_an_unknown_task_and_somebody_elses_look_the_same(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S0-73, S0-105."""
    row = generation_row()
    world.read_model.rows.append(("ann", row))
    answers = [await bob.get(f"/api/video/status/{n}") for n in (row.job_id, uuid4(), "no-id")]
    assert {answer.status_code for answer in answers} == {404}
    bodies = {str({**answer.json(), "requestId": None}) for answer in answers}
    assert len(bodies) == 1
    assert (await ann.get(f"/api/video/status/{row.job_id}")).status_code == 200


async def test_history_comes_in_pages_of_20_by_offset(world: World, ann: httpx.AsyncClient):
    """S0-75, S0-76: 45 jobs: pages of 20, 20, 5 with no overlap."""
    world.read_model.rows += [("ann", generation_row(n)) for n in range(45)]
    sizes, seen, offset = [], [], 0
    while offset is not None:
        page = (await ann.get("/api/video/history", params={"offset": offset})).json()
        sizes.append(len(page["items"]))
        seen += [item["prompt"] for item in page["items"]]
        offset = page["nextOffset"]
    assert (sizes, page["total"], page["totalIsExact"]) == ([20, 20, 5], 45, True)
    assert seen == [f"prompt {n}" for n in range(44, -1, -1)]
    assert page["items"][0].keys() >= {
        "id",
        "prompt",
        "duration",
        "resolution",
        "status",
        "permanent_video_url",
        "created_at",
    }


async def test_history_by_cursor_skips_nothing_while_tasks_arrive(
    world: World, ann: httpx.AsyncClient
):
    """C09."""
    world.read_model.rows += [("ann", generation_row(n)) for n in range(5)]
    first = (await ann.get("/api/video/history?limit=3")).json()
    world.read_model.rows.append(("ann", generation_row(9)))
    rest = await ann.get(f"/api/video/history?cursor={first['nextCursor']}")
    prompts = [item["prompt"] for item in (*first["items"], *rest.json()["items"])]
    assert prompts == [f"prompt {n}" for n in (4, 3, 2, 1, 0)]
    assert rest.json()["nextOffset"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("offset=-1", "offset"),
        ("offset=10001", "offset"),
        ("offset=x", "offset"),
        ("offset=0&cursor=abc", "offset"),
        ("limit=101", "limit"),
        ("status=failed", "status"),
        ("cursor=abc", "cursor"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(ann: httpx.AsyncClient, query: str, field: str):
    answer = await ann.get(f"/api/video/history?{query}")
    (error,) = answer.json()["details"]["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert error["remedy"]


async def test_the_last_offset_is_ten_thousand_and_leads_on_by_cursor(
    world: World, ann: httpx.AsyncClient
):
    world.read_model.rows += [("ann", generation_row(n)) for n in range(10_030)]
    page = (await ann.get("/api/video/history?offset=10000")).json()
    assert (len(page["items"]), page["nextOffset"]) == (20, None)
    last = (await ann.get(f"/api/video/history?cursor={page['nextCursor']}")).json()
    assert [len(last["items"]), last["nextCursor"]] == [10, None]


@pytest.mark.parametrize("path", ["/api/generate-video", "/api/video/history", "/api/nothing"])
async def test_every_error_has_s0s_shape(nobody: httpx.AsyncClient, path: str):
    """S0-84, C08: also what comes before any route's own code."""
    for answer in (await nobody.delete(path), await nobody.get(path), await nobody.post(path)):
        content = answer.json()
        assert answer.status_code in {401, 404, 405}
        assert isinstance(content["error"], str)
        assert isinstance(content["message"], str)
        assert isinstance(content["retryable"], bool)
        assert content["suggestedAction"].endswith(".")
        assert content["requestId"] == answer.headers["x-request-id"]
