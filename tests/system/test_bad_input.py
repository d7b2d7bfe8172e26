"""Bad input at the front door: a 4xx that names field and remedy, and nothing on the tape."""

import asyncio
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.prompts import PROMPT_TOKENS_MAX
from tests.system.jobs import available, post, reads


def tape_ends(system) -> dict[str, int]:
    """Give the end of each partition of `requests`: nothing may be added by a refused request."""
    return asyncio.run(_ends(system))


async def _ends(system) -> dict[str, int]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.variables["KAFKA_BOOTSTRAP_SERVERS"], enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = range(system.settings.partition_count)
        ends = await consumer.end_offsets([TopicPartition("requests", n) for n in partitions])
        return {str(source): end for source, end in ends.items()}
    finally:
        await consumer.stop()


@pytest.fixture(scope="module")
def customer(system):
    return system.new_account(1000)


FIELDS = [
    pytest.param({"model": "veo-9"}, "model", id="unknown model"),
    pytest.param({"duration_seconds": 5}, "duration_seconds", id="duration"),
    pytest.param({"duration_seconds": "4"}, "duration_seconds", id="duration as text"),
    pytest.param({"duration_seconds": True}, "duration_seconds", id="duration as truth"),
    pytest.param({"aspect_ratio": "1:1"}, "aspect_ratio", id="ratio"),
    pytest.param({"resolution": "4k"}, "resolution", id="resolution"),
    pytest.param({"prompt": ""}, "prompt", id="empty prompt"),
    pytest.param({"prompt": " \n\u0007 "}, "prompt", id="prompt of nothing but controls"),
    pytest.param({"prompt": "word " * (PROMPT_TOKENS_MAX + 1)}, "prompt", id="1025 tokens"),
    pytest.param({"prompt": 7}, "prompt", id="prompt as number"),
    pytest.param({"prompt": None}, "prompt", id="prompt as null"),
    pytest.param({"colour": "red"}, "colour", id="unknown field"),
]


@pytest.mark.parametrize(("change", "field"), FIELDS)
def test_a_wrong_field_is_named_with_its_remedy_and_costs_nothing_S0_08(
    system, customer, change, field
):
    before = tape_ends(system)
    with customer.client() as client:
        answer = post(client, **change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    (fault,) = answer.json()["errors"]
    assert fault["field"] == field
    assert fault["problem"]
    assert fault["remedy"]
    assert tape_ends(system) == before
    reads(lambda: available(customer), 1000)


def test_a_prompt_of_1024_tokens_is_accepted_S0_09(system):
    with system.new_account(40).client() as client:
        assert post(client, prompt="word " * PROMPT_TOKENS_MAX).status_code == 202


BODIES = [
    pytest.param(b"{", 400, "BAD_JSON", id="cut off"),
    pytest.param(b'{"prompt": "\xff\xfe"}', 400, "BAD_JSON", id="bad UTF-8"),
    pytest.param(b'{"prompt": NaN}', 400, "BAD_JSON", id="NaN"),
    pytest.param(b"[" * 10_000 + b"]" * 10_000, 400, "BAD_JSON", id="nested 10,000 deep"),
    pytest.param(b'["prompt"]', 422, "INVALID_REQUEST", id="a list"),
    pytest.param(b'{"prompt": "' + b"x" * 1_048_576 + b'"}', 413, "BODY_TOO_LARGE", id="1 MiB"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES)
def test_a_body_that_is_no_request_is_refused_whole(system, customer, body, status, code):
    before = tape_ends(system)
    with customer.client() as client:
        answer = client.post(
            "/v1/generations", content=body, headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["suggested_action"]
    assert tape_ends(system) == before


@pytest.mark.parametrize("key", [None, "tw_wrong", "nonsense"])
def test_a_missing_or_wrong_key_is_401_whatever_the_body_holds_S0_11(system, key):
    with system.client(key) as client:
        answer = client.post("/v1/generations", content=b"{")
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["", "x" * 256, "sp ace"])
def test_a_malformed_idempotency_key_is_refused_by_name(customer, key):
    with customer.client() as client:
        answer = client.post(
            "/v1/generations", json={"prompt": "x"}, headers={"Idempotency-Key": key}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("cursor", ["x", "AAAA", "eyJhIjoxfQ=="])
def test_a_wrong_cursor_is_refused_by_name(customer, cursor):
    with customer.client() as client:
        answer = client.get(f"/v1/generations?cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


@pytest.mark.parametrize(
    "job_id", ["1", "not-a-uuid", "705be1fb-08d6-4911-a259-ff2ba205388b", "../admin"]
)
def test_an_id_that_is_no_job_is_404_S0_73(customer, job_id):
    with customer.client() as client:
        assert client.get(f"/v1/generations/{job_id}").status_code == 404


@pytest.mark.parametrize("amount", [0, -1, 2**63, 0.1, 1e308, "\uff11", True])
def test_an_amount_that_is_no_whole_number_of_credits_is_refused(system, amount):
    with system.admin() as admin:
        answer = admin.post(
            "/v1/admin/credits/grants",
            json={"account_id": "someone", "amount_credits": amount, "reason": "test"},
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "amount_credits"


def test_a_client_key_opens_no_administrators_door_I27(customer):
    with customer.client() as client:
        for method, path in (
            ("POST", "/v1/admin/credits/grants"),
            ("POST", "/v1/admin/keys"),
            ("GET", "/v1/admin/keys"),
            ("DELETE", f"/v1/admin/keys/{uuid4()}"),
        ):
            assert client.request(method, path, json={}).status_code == 403


def test_a_link_that_was_tampered_with_opens_nothing_C24(system):
    with system.client(None) as stranger:
        answer = stranger.get("/v1/media/demo/videos/x.mp4?expires=9999999999&signature=abc")
    assert (answer.status_code, answer.json()["code"]) == (403, "LINK_INVALID")
