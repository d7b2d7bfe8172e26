import asyncio
from statistics import median
from types import SimpleNamespace

import httpx

from ingress.decisions import WaitingRoom
from ingress.ports import BrokerUnavailable, TooManyWaiting
from runtime.clock import monotonic_seconds
from schemas.requests import GenerationRequested
from tests.ingress.conftest import World
from tests.ingress.fakes import generation_row

PATH = "/v1/generations"
BODY = {"prompt": "a red fox in the snow"}
OTHERS = "00000000-0000-4000-8000-00000000000a"


async def test_an_accepted_generation_is_answered_202_with_its_price_and_what_is_left(
    world: World, ann: httpx.AsyncClient
):
    """S0-01, S0-13, S2-05, I08."""
    await world.grant("ann", 100)
    answer = await ann.post(PATH, json=BODY)
    content = answer.json()
    assert answer.status_code == 202
    assert content == {
        "id": answer.headers["x-request-id"],
        "status": "pending",
        "model": "veo-3.1",
        "duration_seconds": 8,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "price_credits": 80,
        "credits_available": 20,
        "operation_id": None,
        "created_at": "2026-03-01T12:00:00Z",
        "links": {
            "self": f"{PATH}/{content['id']}",
            "video": f"{PATH}/{content['id']}/video",
        },
    }
    assert "x-idempotent-replay" not in answer.headers


async def test_the_published_request_carries_the_ids_that_tie_the_story_together(
    world: World, ann: httpx.AsyncClient
):
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await ann.post(PATH, json=BODY, headers={"traceparent": traceparent})
    (envelope,) = world.publisher.published
    request_id = answer.headers["x-request-id"]
    event = envelope.event
    assert isinstance(event, GenerationRequested)
    assert (event.job_id, envelope.correlation_id, envelope.causation_id) == (request_id,) * 3
    # Without a key of the client's the job's own id is the key.
    assert (event.account_id, event.idempotency_key) == ("ann", request_id)
    assert (envelope.traceparent, envelope.source) == (traceparent, "/tapeworks/ingress")


async def test_a_trace_context_that_is_not_valid_is_not_passed_on(
    world: World, ann: httpx.AsyncClient
):
    wrong = "00-00000000000000000000000000000000-b7ad6b7169203331-01"
    await ann.post(PATH, json=BODY, headers={"traceparent": wrong})
    assert world.publisher.published[0].traceparent is None


async def test_too_few_credits_are_answered_402_with_the_sums(world: World, ann: httpx.AsyncClient):
    """S0-14, S0-85: 40 needed, 30 held, 10 short."""
    await world.grant("ann", 30)
    answer = await ann.post(PATH, json={**BODY, "duration_seconds": 4})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (402, "INSUFFICIENT_CREDITS")
    assert problem["details"] == {"required": 40, "available": 30, "shortfall": 10, "deficit": 10}
    assert (problem["retryable"], "Buy credits" in problem["suggested_action"]) == (False, True)


async def test_the_fourth_active_job_is_answered_429_with_the_three_newest_first(
    world: World, ann: httpx.AsyncClient
):
    """S0-15, S0-34, S0-35."""
    await world.grant("ann", 1000)
    ids = [(await ann.post(PATH, json=BODY)).json()["id"] for _ in range(3)]
    for number, job_id in enumerate(ids[:2]):
        row = generation_row(number, job_id=job_id)
        world.read_model.rows.append(("ann", row))
    answer = await ann.post(PATH, json=BODY)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (429, "TOO_MANY_ACTIVE_JOBS")
    assert "3 generations are active" in problem["detail"]
    assert answer.headers["retry-after"] == "10"
    details = problem["details"]
    assert (details["current"], details["limit"]) == (3, 3)
    # The third is not in the read model yet: of it only the id is known.
    assert details["active_jobs"][0] == {"id": ids[2]}
    assert details["active_jobs"][1] == {
        "id": ids[1],
        "status": "processing",
        "prompt": "prompt 1",
        "duration_seconds": 8,
        "created_at": "2026-03-01T12:01:00Z",
    }
    assert [job["id"] for job in details["active_jobs"]] == ids[::-1]


async def test_the_429_lists_only_ids_while_the_database_is_away(
    world: World, ann: httpx.AsyncClient
):
    await world.grant("ann", 1000)
    ids = [(await ann.post(PATH, json=BODY)).json()["id"] for _ in range(3)]
    world.read_model.away = True
    problem = (await ann.post(PATH, json=BODY)).json()
    assert problem["details"]["active_jobs"] == [{"id": job_id} for job_id in ids[::-1]]


async def test_who_is_both_broke_and_at_the_limit_is_told_about_credits(
    world: World, ann: httpx.AsyncClient
):
    """S0-12."""
    await world.grant("ann", 240)
    for _ in range(3):
        await ann.post(PATH, json=BODY)
    assert (await ann.post(PATH, json=BODY)).status_code == 402


async def test_a_repeat_with_the_same_key_gets_the_first_answer_byte_for_byte(
    world: World, ann: httpx.AsyncClient
):
    """S2-13, S2-14, S2-15, S2-50, I11, I12, torture row 32."""
    await world.grant("ann", 1000)
    headers = {"Idempotency-Key": "one"}
    first = await ann.post(
        PATH, json={"prompt": "caf\u00e9", "duration_seconds": 8}, headers=headers
    )
    # Re-ordered, with a default spelled out, 8.0 for 8, and decomposed text.
    again = await ann.post(
        PATH,
        json={"model": "veo-3.1", "duration_seconds": 8.0, "prompt": "cafe\u0301"},
        headers=headers,
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["x-idempotent-replay"] == "true"
    assert "x-idempotent-replay" not in first.headers


async def test_a_key_that_was_used_for_another_body_is_refused(
    world: World, ann: httpx.AsyncClient
):
    """S2-20."""
    await world.grant("ann", 1000)
    headers = {"Idempotency-Key": "one"}
    await ann.post(PATH, json=BODY, headers=headers)
    answer = await ann.post(PATH, json={"prompt": "a blue fox"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_somebody_elses_key_makes_a_job_of_ones_own(
    world: World, ann: httpx.AsyncClient, bob: httpx.AsyncClient
):
    """S2-19."""
    await world.grant("ann", 1000)
    await world.grant("bob", 1000)
    headers = {"Idempotency-Key": "one"}
    first = await ann.post(PATH, json=BODY, headers=headers)
    other = await bob.post(PATH, json=BODY, headers=headers)
    assert other.status_code == 202
    assert other.json()["id"] != first.json()["id"]


async def test_a_request_that_is_not_decided_in_time_is_answered_as_requested(
    world: World, ann: httpx.AsyncClient
):
    world.ledger.silent = True
    answer = await ann.post(PATH, json=BODY)
    content = answer.json()
    assert answer.status_code == 202
    assert (content["status"], content["price_credits"]) == ("requested", None)
    assert (content["credits_available"], content["operation_id"]) == (None, None)


async def test_a_broker_that_is_away_is_answered_503_with_the_key_to_repeat_with(
    world: World, ann: httpx.AsyncClient
):
    world.publisher.error = BrokerUnavailable("no connection")
    answer = await ann.post(PATH, json=BODY)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "BROKER_UNAVAILABLE")
    assert answer.headers["retry-after"] == "2"
    assert problem["retryable"] is True
    assert "same Idempotency-Key" in problem["suggested_action"]
    assert problem["details"] == {
        "outcome": "nothing_sent",
        "idempotency_key": answer.headers["x-request-id"],
    }


async def test_a_decision_that_came_stands_although_the_acknowledgement_was_lost(
    world: World, ann: httpx.AsyncClient
):
    await world.grant("ann", 100)
    world.publisher.error = BrokerUnavailable("time is over", "unknown")
    world.publisher.written_anyway = True
    assert (await ann.post(PATH, json=BODY)).json()["status"] == "pending"


async def test_a_503_can_be_repeated_with_the_key_it_names(world: World, ann: httpx.AsyncClient):
    await world.grant("ann", 100)
    world.publisher.error = BrokerUnavailable("time is over", "unknown")
    key = (await ann.post(PATH, json=BODY)).json()["details"]["idempotency_key"]
    world.publisher.error = None
    answer = await ann.post(PATH, json=BODY, headers={"Idempotency-Key": key})
    assert answer.json()["status"] == "pending"


async def test_a_post_with_a_known_key_goes_on_while_the_database_is_away(
    world: World, ann: httpx.AsyncClient
):
    await world.grant("ann", 200)
    await ann.post(PATH, json=BODY)
    world.read_model.away = True
    assert (await ann.post(PATH, json=BODY)).status_code == 202


async def test_more_waiting_requests_than_may_wait_are_told_to_come_back(
    world: World, ann: httpx.AsyncClient, monkeypatch
):
    def full(_: str) -> None:
        raise TooManyWaiting

    monkeypatch.setattr(world.decisions, "expect", full)
    answer = await ann.post(PATH, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (503, "OVERLOADED")
    assert answer.headers["retry-after"] == "1"


async def test_an_overloaded_ingress_refuses_at_once_and_takes_up_again_at_once(
    world: World, ann: httpx.AsyncClient
):
    """S4-91, torture row 36: refusals in under 20 ms, nothing published, nothing left behind."""
    await world.grant("ann", 1000)
    room = world.decisions.room = WaitingRoom(1)
    seconds = []
    with room.expect(OTHERS):
        published = len(world.publisher.published)
        for _ in range(50):
            began_at = monotonic_seconds()
            answer = await ann.post(PATH, json=BODY)
            seconds.append(monotonic_seconds() - began_at)
            assert (answer.status_code, answer.json()["code"]) == (503, "OVERLOADED")
            assert int(answer.headers["retry-after"]) >= 1
        assert len(world.publisher.published) == published
    assert median(seconds) < 0.02
    room.see(SimpleNamespace(headers=(("causation_id", OTHERS.encode()),)))
    assert (await ann.post(PATH, json=BODY)).status_code == 202


async def test_a_repeat_that_comes_while_the_first_waits_is_the_same_job(
    world: World, ann: httpx.AsyncClient
):
    """S2-17, S0-33."""
    await world.grant("ann", 1000)
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(ann.post(PATH, json=BODY, headers=headers) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    replays = [answer for answer in answers if "x-idempotent-replay" in answer.headers]
    assert len(replays) == 19
