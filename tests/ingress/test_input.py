"""What a POST refuses, and in which words; nothing is published for any of it (S0-08, S0-16)."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.ingress.conftest import World

PATH = "/v1/generations"
GOOD = {"prompt": "a fox"}
JSON = {"Content-Type": "application/json"}


async def refused(world: World, client: httpx.AsyncClient, body: object) -> dict[str, str]:
    """Post a body that must be refused with one fault, and give the fault."""
    answer = await client.post(PATH, content=json.dumps(body), headers=JSON)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "INVALID_REQUEST"), problem
    assert world.publisher.published == []
    (fault,) = problem["errors"]
    assert isinstance(fault, dict)
    return fault


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("model", "sora", "use one of: veo-3.1, veo-3.1-vertex, fal-veo-3.1, sora-2-image"),
        ("duration_seconds", 5, "use one of: 4, 6, 8"),
        ("duration_seconds", 0, "use one of: 4, 6, 8"),
        ("duration_seconds", -8, "use one of: 4, 6, 8"),
        ("duration_seconds", 10**18, "use one of: 4, 6, 8"),
        ("resolution", "4k", "use one of: 720p, 1080p"),
        ("resolution", "", "use one of: 720p, 1080p"),
        ("aspect_ratio", "1:1", "use one of: 16:9, 9:16"),
    ],
)
async def test_a_setting_that_is_not_offered_is_refused_with_what_is(
    world: World, ann: httpx.AsyncClient, field: str, value: object, allowed: str
):
    """S0-08, S2-08, I26."""
    fault = await refused(world, ann, {**GOOD, field: value})
    assert (fault["field"], fault["remedy"]) == (field, allowed)
    assert str(value) in fault["problem"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("prompt", 7, "is the number 7"),
        ("prompt", None, "is null"),
        ("prompt", ["a"], "is a list"),
        ("model", {}, "is an object"),
        ("duration_seconds", "8", "is a text"),
        ("duration_seconds", True, "is a truth value"),
        ("duration_seconds", None, "is null"),
        ("duration_seconds", "\uff18", "is a text"),
        ("resolution", 720, "is the number 720"),
        ("negative_prompt", False, "is a truth value"),
    ],
)
async def test_a_value_of_the_wrong_type_is_named_with_its_type(
    world: World, ann: httpx.AsyncClient, field: str, value: object, problem: str
):
    fault = await refused(world, ann, {**GOOD, field: value})
    assert (fault["field"], fault["problem"]) == (field, problem)


@pytest.mark.parametrize("value", [0.5, 8.1])
async def test_a_broken_number_of_seconds_is_refused(
    world: World, ann: httpx.AsyncClient, value: float
):
    assert (await refused(world, ann, {**GOOD, "duration_seconds": value}))["field"] == (
        "duration_seconds"
    )


async def test_a_missing_prompt_is_named(world: World, ann: httpx.AsyncClient):
    assert await refused(world, ann, {}) == {
        "field": "prompt",
        "problem": "is missing",
        "remedy": "send it",
    }


async def test_an_unknown_field_is_refused_with_the_known_ones(
    world: World, ann: httpx.AsyncClient
):
    fault = await refused(world, ann, {**GOOD, "negativePrompt": "x"})
    assert fault["field"] == "negativePrompt"
    assert "negative_prompt" in fault["remedy"]


async def test_every_fault_is_named_at_once(world: World, ann: httpx.AsyncClient):
    body = {"prompt": "", "duration_seconds": 5, "resolution": "4k", "aspect_ratio": "1:1"}
    problem = (await ann.post(PATH, json=body)).json()
    assert [fault["field"] for fault in problem["errors"]] == [
        "prompt",
        "duration_seconds",
        "resolution",
        "aspect_ratio",
    ]
    assert world.publisher.published == []


async def test_a_thousand_unknown_fields_make_a_short_answer(ann: httpx.AsyncClient):
    body = {**GOOD, **{f"field{n}": n for n in range(1000)}}
    assert len((await ann.post(PATH, json=body)).json()["errors"]) == 20


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("text", ["", "   ", "\n\t ", "\u0000\u0007", "\ud800"])
async def test_a_text_that_is_empty_once_sanitized_is_refused(
    world: World, ann: httpx.AsyncClient, field: str, text: str
):
    """S0-10."""
    fault = await refused(world, ann, {**GOOD, field: text})
    assert fault["field"] == field
    assert "empty" in fault["problem"]


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
async def test_1024_tokens_are_accepted(world: World, ann: httpx.AsyncClient, field: str):
    """S0-09."""
    answer = await ann.post(PATH, json={**GOOD, field: "fox " * 1024})
    assert answer.json()["code"] == "INSUFFICIENT_CREDITS"
    assert len(world.publisher.published) == 1


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
async def test_1025_tokens_are_refused_with_their_number(
    world: World, ann: httpx.AsyncClient, field: str
):
    """S0-09."""
    fault = await refused(world, ann, {**GOOD, field: "fox " * 1025})
    assert fault["field"] == field
    assert "1025 tokens" in fault["problem"]
    assert "1024" in fault["problem"]


async def test_more_characters_than_an_event_holds_are_refused(
    world: World, ann: httpx.AsyncClient
):
    fault = await refused(world, ann, {"prompt": "a" + " " * 32_767 + "b"})
    assert "32769 characters" in fault["problem"]


async def test_a_wall_of_combining_marks_is_refused_before_it_costs_anything(
    world: World, ann: httpx.AsyncClient
):
    """Normalizing 32,768 marks holds the event loop for a second."""
    fault = await refused(world, ann, {"prompt": "a" + "\u0301\u0316" * 16_000})
    assert "combining marks" in fault["problem"]


async def test_no_refusal_repeats_a_prompt(ann: httpx.AsyncClient):
    """I28."""
    secret = "the-secret-plan " * 1100
    answer = await ann.post(PATH, json={"prompt": secret, "resolution": "4k"})
    assert "secret-plan" not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "BAD_JSON"),
        (b"{", 400, "BAD_JSON"),
        (b'{"prompt": "caf\xe9"}', 400, "BAD_JSON"),
        (b'{"prompt": "a", "prompt": "b"}', 400, "BAD_JSON"),
        (b'{"prompt": "a", "duration_seconds": NaN}', 400, "BAD_JSON"),
        (b'{"prompt": "a", "duration_seconds": -Infinity}', 400, "BAD_JSON"),
        (b'{"prompt": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400, "BAD_JSON"),
        (b'{"prompt": "a", "duration_seconds": ' + b"9" * 5000 + b"}", 400, "BAD_JSON"),
        ("{}".encode("utf-16"), 400, "BAD_JSON"),
        (b"\xef\xbb\xbf{}", 400, "BAD_JSON"),
        (b"[]", 422, "INVALID_REQUEST"),
        (b"null", 422, "INVALID_REQUEST"),
        (b'{"prompt": "a", "duration_seconds": 1e400}', 422, "INVALID_REQUEST"),
        (b'{"prompt": "a", "duration_seconds": 1e300}', 422, "INVALID_REQUEST"),
        (b'{"prompt": "a", "model": "\\ud800"}', 422, "INVALID_REQUEST"),
    ],
)
async def test_a_body_that_is_no_request_is_a_client_fault(
    world: World, ann: httpx.AsyncClient, body: bytes, status: int, code: str
):
    answer = await ann.post(PATH, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.publisher.published == []


async def test_a_body_of_one_mebibyte_is_read(ann: httpx.AsyncClient):
    body = b'{"prompt": "' + b"a" * (1_048_576 - 14) + b'"}'
    assert len(body) == 1_048_576
    answer = await ann.post(PATH, content=body, headers=JSON)
    assert answer.json()["errors"][0]["field"] == "prompt"


async def test_a_body_over_one_mebibyte_is_refused(ann: httpx.AsyncClient):
    answer = await ann.post(PATH, content=b"a" * 1_048_577, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_chunked_body_is_counted_while_it_is_read(ann: httpx.AsyncClient):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = await ann.post(PATH, content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert sent <= 1_048_576 + 2 * 65_536


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
async def test_a_body_of_another_type_is_refused(ann: httpx.AsyncClient, content_type: str):
    answer = await ann.post(PATH, content=b"{}", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"']
)
async def test_json_may_say_that_it_is_utf_8(ann: httpx.AsyncClient, content_type: str):
    answer = await ann.post(PATH, content=b"{}", headers={"Content-Type": content_type})
    assert answer.json()["errors"][0]["problem"] == "is missing"


async def test_a_compressed_body_is_refused(ann: httpx.AsyncClient):
    answer = await ann.post(PATH, content=b"{}", headers={**JSON, "Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("key", ["k", "!~", "k" * 255])
async def test_a_key_of_1_to_255_visible_characters_is_taken(
    world: World, ann: httpx.AsyncClient, key: str
):
    """S2-02."""
    await ann.post(PATH, json=GOOD, headers={"Idempotency-Key": key})
    assert getattr(world.publisher.published[0].event, "idempotency_key", None) == key


@pytest.mark.parametrize("key", [b"", b"k" * 256, b"a b", b"caf\xe9", b"a\x7f", b"grant:1"])
async def test_any_other_key_is_refused_naming_the_header(
    world: World, ann: httpx.AsyncClient, key: bytes
):
    """S2-02."""
    answer = await ann.post(PATH, json=GOOD, headers=[(b"Idempotency-Key", key)])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert world.publisher.published == []


async def test_two_keys_are_refused(ann: httpx.AsyncClient):
    headers = [(b"Idempotency-Key", b"a"), (b"Idempotency-Key", b"b")]
    assert (await ann.post(PATH, json=GOOD, headers=headers)).status_code == 422
