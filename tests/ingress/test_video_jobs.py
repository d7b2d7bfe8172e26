"""`/functions/v1`: S2's own names over the same rules."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ingress.model_ids import MODEL_IDS
from schemas.requests import GenerationRequested
from tests.ingress.conftest import World
from tests.ingress.fakes import generation_row

POST = "/functions/v1/generate-video"
GET = "/functions/v1/get-video-status"
SORA = {
    "model_id": MODEL_IDS["sora-2-image"],
    "prompt": "a fox runs",
    "image_url": "https://pictures.example/fox.png",
}
BODY = {"model_id": MODEL_IDS["veo-3.1"], "prompt": "a fox runs", "settings": {"duration": 4}}


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_a_job_is_asked_for_in_s2s_names(world: World, ann: httpx.AsyncClient):
    """S2-01, S2-03, S2-05, S2-07, S2-28."""
    await world.grant("ann", 100)
    answer = await ann.post(POST, json={**SORA, "user_id": "ann"}, headers=key())
    event = world.publisher.published[-1].event
    assert isinstance(event, GenerationRequested)
    assert answer.status_code == 202
    assert answer.json() == {"job_id": event.job_id, "status": "pending", "credits_used": 40}
    assert event.settings.model_dump() == {
        "model": "sora-2-image",
        "duration_seconds": 4,
        "resolution": "auto",
        "aspect_ratio": "auto",
    }
    assert event.private.image_url == SORA["image_url"]


@pytest.mark.parametrize("model_id", ["veo-3.1", MODEL_IDS["veo-3.1"].upper()])
async def test_a_model_goes_by_its_id_or_its_name(
    world: World, ann: httpx.AsyncClient, model_id: str
):
    """S2-07."""
    await world.grant("ann", 100)
    answer = await ann.post(POST, json={**BODY, "model_id": model_id}, headers=key())
    assert answer.json()["credits_used"] == 40


async def test_the_models_are_listed_with_the_ids_that_choose_them(ann: httpx.AsyncClient):
    items = (await ann.get("/v1/models")).json()["items"]
    assert {item["name"]: item["id"] for item in items} == MODEL_IDS


async def test_the_body_of_another_user_is_refused(world: World, ann: httpx.AsyncClient):
    """S2-04, C23."""
    answer = await ann.post(POST, json={**BODY, "user_id": "bob"}, headers=key())
    content = answer.json()
    assert (answer.status_code, content["error"]) == (403, "ACCOUNT_MISMATCH")
    assert content["errors"][0]["field"] == "user_id"
    assert not world.publisher.published


@pytest.mark.parametrize("sent", [None, "abc", "", "a b"])
async def test_a_key_must_be_there_and_a_uuid(
    world: World, ann: httpx.AsyncClient, sent: str | None
):
    """S2-02."""
    headers = {} if sent is None else {"Idempotency-Key": sent}
    answer = await ann.post(POST, json=BODY, headers=headers)
    content = answer.json()
    assert (answer.status_code, content["error"]) == (422, "INVALID_REQUEST")
    assert content["errors"][0]["field"] == "Idempotency-Key"
    assert not world.publisher.published


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        # S2's own example: neither is offered, and neither is changed silently (C05, S2-29).
        ({"settings": {"duration": 15, "resolution": "720p"}}, "settings.duration"),
        ({"settings": {"fps": 30}}, "settings.fps"),
        ({"settings": {"resolution": "auto"}}, "settings.resolution"),
        ({"settings": {"aspect_ratio": "1:1"}}, "settings.aspect_ratio"),
        ({"settings": {"length": 4}}, "settings.length"),
        ({"settings": {"duration": "4"}}, "settings.duration"),
        ({"settings": 4}, "settings"),
        ({"settings": None}, "settings"),
        ({"model_id": str(uuid4())}, "model_id"),
        ({"model_id": None}, "model_id"),
        ({"model_id": MODEL_IDS["sora-2-image"], "settings": {}}, "image_url"),
        ({"image_url": "https://pictures.example/fox.png"}, "image_url"),
        ({"user_id": 7}, "user_id"),
        ({"duration": 4}, "duration"),
    ],
)
async def test_a_wrong_field_is_named_as_it_was_sent_and_costs_nothing(
    world: World, ann: httpx.AsyncClient, changes: dict[str, Any], field: str
):
    """S2-08, S2-24, C05, C06."""
    answer = await ann.post(POST, json={**BODY, **changes}, headers=key())
    content = answer.json()
    assert (answer.status_code, content["error"]) == (422, "INVALID_REQUEST")
    assert [error["field"] for error in content["errors"]] == [field]
    assert content["errors"][0]["remedy"]
    assert content["message"] == f"Not valid: {field}."
    assert not world.publisher.published


async def test_a_repeat_gets_the_first_answer_byte_for_byte_and_is_marked(
    world: World, ann: httpx.AsyncClient
):
    """S2-13 to S2-15, S2-17."""
    await world.grant("ann", 1000)
    headers = key()
    answers = await asyncio.gather(*(ann.post(POST, json=BODY, headers=headers) for _ in range(20)))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (202, answers[0].content)
    }
    marked = [answer for answer in answers if answer.headers.get("x-idempotent-replay") == "true"]
    assert len(marked) == 19


async def test_a_key_with_another_body_and_somebody_elses_key(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S2-19, S2-20."""
    await world.grant("ann", 100)
    await world.grant("bob", 100)
    headers = key()
    first = await ann.post(POST, json=BODY, headers=headers)
    reused = await ann.post(POST, json={**BODY, "prompt": "a hen"}, headers=headers)
    assert (reused.status_code, reused.json()["error"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    own = await bob.post(POST, json=BODY, headers=headers)
    assert (own.status_code, "x-idempotent-replay" in own.headers) == (202, False)
    assert own.json()["job_id"] != first.json()["job_id"]


async def test_refusals_of_the_ledger_come_in_s2s_shape(world: World, ann: httpx.AsyncClient):
    """C01, C08."""
    broke = await ann.post(POST, json=BODY, headers=key())
    assert (broke.status_code, broke.headers["content-type"]) == (402, "application/json")
    content = broke.json()
    assert (content["error"], content["details"]["deficit"]) == ("INSUFFICIENT_CREDITS", 40)
    assert content["suggested_action"].endswith(".")
    assert content["request_id"] == broke.headers["x-request-id"]
    await world.grant("ann", 1000)
    posted = [await ann.post(POST, json=BODY, headers=key()) for _ in range(3)]
    job_ids = [answer.json()["job_id"] for answer in posted]
    busy = await ann.post(POST, json=BODY, headers=key())
    assert (busy.status_code, busy.json()["error"]) == (429, "TOO_MANY_ACTIVE_JOBS")
    assert busy.json()["details"]["active_jobs"] == [{"job_id": id_} for id_ in job_ids[::-1]]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("requested", "pending"),
        ("pending", "pending"),
        ("processing", "processing"),
        ("downloading", "processing"),
        ("failed", "failed"),
        ("rejected", "failed"),
        ("cancelled", "failed"),
    ],
)
async def test_every_status_is_one_of_s2s_four(
    world: World, ann: httpx.AsyncClient, status: str, shown: str
):
    """S2-32, S2-33, S2-35, S2-42, S2-12."""
    row = generation_row(status=status)
    world.read_model.rows.append(("ann", row))
    content = (await ann.get(GET, params={"job_id": str(row.job_id)})).json()
    assert content == {
        "job_id": str(row.job_id),
        "status": shown,
        "video_url": None,
        "thumbnail_url": None,
        "provider_job_id": "models/veo/operations/1",
        "credits_used": 80,
        "credits_refunded": 0,
        "error": None,
    }


async def test_a_finished_job_gives_an_address_that_plays(
    world: World, ann: httpx.AsyncClient, nobody: httpx.AsyncClient
):
    """S2-41, C16: never the provider's own."""
    row = generation_row(status="completed", object_key="ann/clip.mp4")
    world.read_model.rows.append(("ann", row))
    file = world.media_folder / "ann/clip.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"123456789")
    content = (await ann.get(GET, params={"job_id": str(row.job_id)})).json()
    video = await nobody.get(content["video_url"], headers={"Range": "bytes=0-2"})
    assert (video.status_code, video.headers["content-type"]) == (206, "video/mp4")


async def test_a_failed_job_says_why_and_what_came_back(world: World, ann: httpx.AsyncClient):
    """S2-44."""
    failure = {
        "code": "PROVIDER_FAILED",
        "message": "The provider could not make it.",
        "retryable": True,
        "suggested_action": "Send the request again.",
    }
    row = generation_row(status="failed", failure=failure, refunded_credits=80)
    world.read_model.rows.append(("ann", row))
    content = (await ann.get(GET, params={"job_id": str(row.job_id)})).json()
    assert (content["credits_used"], content["credits_refunded"]) == (80, 80)
    error = content["error"]
    assert (error["error"], error["message"]) == ("PROVIDER_FAILED", failure["message"])


async def test_an_unknown_job_and_somebody_elses_look_the_same(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """I27."""
    row = generation_row()
    world.read_model.rows.append(("ann", row))
    assert (await ann.get(GET, params={"job_id": str(row.job_id)})).status_code == 200
    ids = (row.job_id, uuid4(), "no-id", "")
    answers = [await bob.get(GET, params={"job_id": str(each)}) for each in ids]
    assert {answer.status_code for answer in answers} == {404}
    assert len({str({**answer.json(), "request_id": None}) for answer in answers}) == 1


@pytest.mark.parametrize(
    ("query", "field"), [("", "job_id"), ("job_id=a&job_id=b", "job_id"), ("id=a", "id")]
)
async def test_a_status_without_its_job_is_refused_by_name(
    ann: httpx.AsyncClient, query: str, field: str
):
    answer = await ann.get(f"{GET}?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("path", [POST, GET, "/functions/v1/nothing"])
async def test_every_error_has_s2s_shape(nobody: httpx.AsyncClient, path: str):
    """C08, S2-02: without a token it is 401 whatever else is wrong."""
    for answer in (await nobody.delete(path), await nobody.get(path), await nobody.post(path)):
        content = answer.json()
        assert answer.status_code in {401, 404, 405}
        assert content.keys() >= {"error", "message", "details", "retryable", "suggested_action"}
        assert content["request_id"] == answer.headers["x-request-id"]
