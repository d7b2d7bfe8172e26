import json
import logging
import re

import httpx
import pytest

from ingress.models import Problem
from ingress.problem_kinds import KINDS
from schemas.envelope import Envelope
from tests.ingress.conftest import ADMIN_KEY, World, api_key

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/v1/generations/", 404, "NOT_FOUND"),
        ("PUT", "/v1/generations", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/admin/credits/grants", 405, "METHOD_NOT_ALLOWED"),
        ("WHATEVER", "/v1/credits", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/generations", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("GET", "/v1/media/a/videos/b.mp4", 403, "LINK_INVALID"),
    ],
)
async def test_every_error_has_the_one_shape(
    ann: httpx.AsyncClient, method: str, path: str, status: int, code: str
):
    """C08, S0-84."""
    answer = await ann.request(method, path)
    problem = Problem.model_validate_json(answer.content, strict=False)
    assert (answer.status_code, problem.status, problem.code) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.type == f"urn:tapeworks:problem:{code.lower().replace('_', '-')}"
    assert problem.instance == f"urn:uuid:{answer.headers['x-request-id']}"


async def test_a_fault_of_ours_is_answered_500_and_logged_without_what_the_caller_wrote(
    world: World, ann: httpx.AsyncClient, monkeypatch, capsys
):
    """I28: a validation error's own text would repeat the prompt."""

    async def broken(envelope: Envelope) -> None:
        raise ValueError(envelope.event.model_dump_json())

    monkeypatch.setattr(world.publisher, "publish", broken)
    answer = await ann.post("/v1/generations", json={"prompt": "my secret plan"})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    logged = capsys.readouterr()
    assert "ValueError" in logged.out + logged.err
    assert "secret plan" not in answer.text + logged.out + logged.err


async def test_every_call_is_logged_with_its_ids_and_without_keys_or_prompts(
    world: World, ann: httpx.AsyncClient, capsys
):
    """I28, I44."""
    logging.getLogger().setLevel(logging.INFO)
    answer = await ann.post("/v1/generations", json={"prompt": "my secret plan"})
    logged = capsys.readouterr().out
    for told in ("http_answer", answer.headers["x-request-id"], "ann", "INSUFFICIENT_CREDITS"):
        assert told in logged
    for kept in ("my secret plan", api_key("ann"), ADMIN_KEY):
        assert kept not in logged
    assert world.publisher.published


async def test_every_answer_names_its_own_call(ann: httpx.AsyncClient):
    answers = [await ann.get("/v1/models") for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(UUID.fullmatch(request_id) for request_id in ids)


async def test_the_process_says_that_it_is_alive_and_what_it_can_do(
    world: World, nobody: httpx.AsyncClient
):
    assert (await nobody.get("/healthz")).status_code == 200
    ready = await nobody.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        *(200, {"decisions": True, "publisher": True, "database": True}),
    )
    world.decisions.caught_up = False
    world.read_model.away = True
    ready = await nobody.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        *(503, {"decisions": False, "publisher": True, "database": False}),
    )
    assert (await nobody.get("/healthz")).status_code == 200


async def test_calls_are_counted_by_route_never_by_path(
    ann: httpx.AsyncClient, nobody: httpx.AsyncClient
):
    await ann.get("/v1/generations/some-secret-id")
    await nobody.get("/some-secret-path")
    text = (await nobody.get("/metrics")).text
    assert 'route="/v1/generations/{generation_id}",status="404"' in text
    assert 'route="none",status="404"' in text
    assert "some-secret" not in text


async def test_the_documentation_lists_every_operation_and_how_a_key_is_sent(
    nobody: httpx.AsyncClient,
):
    """S0-04, S2-18."""
    assert (await nobody.get("/docs")).status_code == 200
    document = (await nobody.get("/openapi.json")).json()
    assert {
        "/v1/generations",
        "/v1/generations/{generation_id}",
        "/v1/generations/{generation_id}/cancel",
        "/v1/generations/{generation_id}/video",
        "/v1/credits",
        "/v1/credits/transactions",
        "/v1/models",
        "/v1/admin/credits/grants",
        "/v1/admin/keys",
        "/v1/admin/keys/{key_id}",
        "/api/generate-video",
        "/api/video/status/{task_id}",
        "/api/video/history",
        "/functions/v1/generate-video",
        "/functions/v1/get-video-status",
    } <= document["paths"].keys()
    post = document["paths"]["/v1/generations"]["post"]
    paths = document["paths"]
    described = {tag["name"] for tag in document["tags"]}
    for path, operations in paths.items():
        for operation in operations.values():
            assert set(operation["tags"]) <= described, path
            assert operation["description"], path
    for path in ("/v1/generations", "/api/generate-video", "/functions/v1/generate-video"):
        assert paths[path]["post"]["security"] == [{"bearer": []}, {"header": []}]
    names = {p["name"] for p in paths["/v1/generations"]["get"]["parameters"]}
    assert names == {"status", "model", "created_from", "created_to", "limit", "cursor"}
    assert "prompt" in json.dumps(post["requestBody"])
    assert "Idempotency-Key" in document["info"]["description"]


def test_every_code_says_what_the_caller_can_do():
    """I22."""
    for code, kind in KINDS.items():
        assert code == code.upper()
        assert kind.title
        assert kind.suggested_action.endswith(".")
        assert 400 <= kind.status <= 599
        if kind.status == 503:
            assert kind.retry_after_seconds, code
