"""The main job through every real part: HTTP, Kafka, Faust, provider's wire format, Postgres."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from runtime.video import inspect
from tests.system.jobs import (
    available,
    post,
    reads,
    transactions,
    until_ended,
    until_settled,
)


def test_a_request_becomes_a_video_that_is_as_asked(system, tmp_path):
    customer = system.new_account(200)
    with customer.client() as client:
        answer = post(client, duration_seconds=6, resolution="720p", aspect_ratio="9:16")
        assert answer.status_code == 202, answer.text
        accepted = answer.json()
        assert accepted["status"] == "pending"
        assert (accepted["price_credits"], accepted["credits_available"]) == (60, 140)
        assert accepted["operation_id"] is None
        job = until_ended(client, accepted["id"])
        assert job["status"] == "completed"
        assert job["price_credits"] == 60
        assert job["operation_id"].startswith("models/veo-3.1-generate-preview/operations/")
        link = client.get(f"/v1/generations/{job['id']}/video").json()
    with system.client(None) as stranger:
        video = stranger.get(link["url"])
        assert video.headers["content-type"] == "video/mp4"
        part = stranger.get(link["url"], headers={"Range": "bytes=0-99"})
        assert (part.status_code, part.content) == (206, video.content[:100])
    path = Path(tmp_path / "video.mp4")
    path.write_bytes(video.content)
    facts = _facts(path)
    assert (facts.duration_ms, facts.width_pixels, facts.height_pixels) == (6000, 720, 1280)
    assert job["video"]["size_bytes"] == len(video.content)


def _facts(path: Path):
    import asyncio  # noqa: PLC0415  this one test is not async, and needs one answer

    return asyncio.run(inspect(path))


def test_the_ledger_keeps_the_price_of_a_delivered_job_S0_22(system):
    customer = system.new_account(100)
    prompt = "x" * 60
    with customer.client() as client:
        job = until_ended(client, post(client, prompt=prompt).json()["id"])
        until_settled(client, 40)
    assert job["status"] == "completed"
    reads(lambda: available(customer), 60)
    charge, granted = transactions(customer)
    assert (charge["type"], charge["amount_credits"], charge["balance_after"]) == (
        "video_4s_generation",
        -40,
        60,
    )
    assert f"{'x' * 50}" in charge["description"]
    assert "x" * 51 not in charge["description"]
    assert (granted["amount_credits"], granted["balance_after"]) == (100, 100)


def test_too_few_credits_is_402_and_says_how_many_are_missing_S0_85(system):
    customer = system.new_account(30)
    with customer.client() as client:
        answer = post(client)
        assert answer.status_code == 402
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] == "INSUFFICIENT_CREDITS"
        details = problem["details"]
        assert (details["required"], details["available"], details["shortfall"]) == (40, 30, 10)
        assert problem["retryable"] is False
        assert problem["suggested_action"]
        reads(lambda: [t["type"] for t in transactions(customer)], ["credit_grant"])
        assert until_ended(client, problem["instance"].removeprefix("urn:uuid:"))["status"] == (
            "rejected"
        )


def test_a_fourth_active_job_is_429_and_lists_the_three_newest_first_S0_35(system):
    customer = system.new_account(1000)
    with system.simulator() as control, customer.client() as client:
        control.post("/_control/clock", json={"seconds": 8})
        try:
            accepted = [post(client, prompt=f"job {n}").json()["id"] for n in range(3)]
        finally:
            control.post("/_control/clock", json={"seconds": 1.5})
        for job_id in accepted:
            assert client.get(f"/v1/generations/{job_id}").status_code == 200
        refused = post(client)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) >= 1
        problem = refused.json()
        assert problem["code"] == "TOO_MANY_ACTIVE_JOBS"
        assert (problem["details"]["current"], problem["details"]["limit"]) == (3, 3)
        listed = problem["details"]["active_jobs"]
        assert [job["id"] for job in listed] == accepted[::-1]
        assert [job["prompt"] for job in listed] == ["job 2", "job 1", "job 0"]
        for job_id in accepted:
            assert until_ended(client, job_id)["status"] == "completed"


def test_a_job_that_was_posted_is_never_a_404_even_at_once(system):
    customer = system.new_account(40 * 30)
    with customer.client() as client:
        for _ in range(10):
            job_id = posted_id(post(client))
            assert client.get(f"/v1/generations/{job_id}").status_code == 200
        os.kill(system.pid("projections"), signal.SIGSTOP)
        try:
            # Nobody writes to the read model now.
            job_id = posted_id(post(client))
            behind = client.get(f"/v1/generations/{job_id}")
        finally:
            os.kill(system.pid("projections"), signal.SIGCONT)
        assert (behind.status_code, behind.json()["code"]) == (503, "READ_MODEL_BEHIND")
        reads(lambda: client.get(f"/v1/generations/{job_id}").status_code, 200)


def posted_id(answer: httpx.Response) -> str:
    """Give a job's id, also of one that was declined."""
    problem_or_job = answer.json()
    return problem_or_job.get("id") or problem_or_job["instance"].removeprefix("urn:uuid:")


def test_unknown_and_foreign_jobs_look_alike_S0_73(system):
    owner, stranger = system.new_account(100), system.new_account()
    with owner.client() as client:
        job_id = post(client).json()["id"]
    unknown_id = str(uuid4())
    for path in ("", "/video"):
        with stranger.client() as client:
            foreign = client.get(f"/v1/generations/{job_id}{path}")
            unknown = client.get(f"/v1/generations/{unknown_id}{path}")
        assert foreign.status_code == unknown.status_code == 404
        assert _without_ids(foreign.text, job_id) == _without_ids(unknown.text, unknown_id)


def _without_ids(body: str, job_id: str) -> dict[str, object]:
    problem = json.loads(body.replace(job_id, "ID"))
    problem.pop("instance")
    return problem


def test_a_repeat_gets_the_first_answer_byte_for_byte_S2_14(system):
    customer = system.new_account(100)
    key = str(uuid4())
    with customer.client() as client:
        first, second = post(client, key), post(client, key)
    assert first.status_code == second.status_code == 202
    assert first.content == second.content
    assert "X-Idempotent-Replay" not in first.headers
    assert second.headers["X-Idempotent-Replay"] == "true"
    reads(lambda: available(customer), 60)


def test_the_same_key_with_another_body_is_422_and_costs_nothing_S2_20(system):
    customer = system.new_account(200)
    key = str(uuid4())
    with customer.client() as client:
        assert post(client, key).status_code == 202
        refused = post(client, key, prompt="something else")
    assert refused.status_code == 422
    assert refused.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    reads(lambda: available(customer), 160)


def test_somebody_elses_key_is_a_new_job_S2_19(system):
    first, second = system.new_account(40), system.new_account(40)
    key = str(uuid4())
    with first.client() as one, second.client() as two:
        job_ids = {post(one, key).json()["id"], post(two, key).json()["id"]}
    assert len(job_ids) == 2


def test_fifty_posts_at_once_with_one_key_make_one_job_I11(system):
    customer = system.new_account(1000)
    key = str(uuid4())
    with customer.client() as client, ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: post(client, key), range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert sum("X-Idempotent-Replay" in answer.headers for answer in answers) == 49
    rows = ["video_4s_generation", "credit_grant"]
    reads(lambda: [t["type"] for t in transactions(customer)], rows)
    with customer.client() as client:
        reads(lambda: client.get("/v1/generations").json()["total"], 1)


def test_sixty_posts_at_once_with_credit_for_one_get_exactly_one_accepted_S0_21(system):
    customer = system.new_account(40)
    with customer.client() as client, ThreadPoolExecutor(30) as pool:
        codes = list(pool.map(lambda _: post(client).status_code, range(60)))
    assert sorted(codes) == [202] + [402] * 59
    reads(lambda: available(customer), 0)


def test_ten_posts_at_once_never_pass_the_limit_S0_33(system):
    customer = system.new_account(1000)
    with customer.client() as client, ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda _: post(client).status_code, range(10)))
    assert sorted(codes) == [202] * 3 + [429] * 7


def test_history_is_newest_first_in_stable_pages_C09(system):
    customer = system.new_account(30)
    with customer.client() as client:
        for number in range(5):
            assert post(client, prompt=f"page {number}").status_code == 402
        reads(lambda: client.get("/v1/generations").json()["total"], 5)
        seen: list[str] = []
        cursor = ""
        while True:
            page = client.get(f"/v1/generations?limit=2{cursor}").json()
            seen += [job["prompt"] for job in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert page["total"] == 5
    assert seen == [f"page {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("model", ["veo-3.1-vertex", "fal-veo-3.1"])
def test_a_model_of_another_provider_is_the_same_job_to_its_client_S2_30(system, model):
    customer = system.new_account(100)
    with customer.client() as client:
        job = until_ended(client, post(client, model=model).json()["id"])
    assert (job["status"], job["model"]) == ("completed", model), job["error"]
    assert job["video"]["duration_ms"] == 4000


FAULTS = [
    pytest.param("error_500", "SUBMISSION_UNKNOWN", id="500 at the submission"),
    pytest.param("refuse_400", "PROVIDER_REJECTED", id="400 at the submission"),
    pytest.param("safety_block", "SAFETY_FILTER_BLOCKED", id="filtered by the provider"),
    pytest.param("drop_answer", "SUBMISSION_UNKNOWN", id="the answer was lost"),
    pytest.param("corrupt_download", "DOWNLOAD_FAILED", id="the file is no video"),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_a_failed_job_gives_its_credits_back_exactly_once_I05(system, fault, code):
    customer = system.new_account(100)
    prompt = f"fault {fault} {uuid4()}"
    with system.simulator() as control, customer.client() as client:
        body = {"provider": "google", "kind": fault, "next_n": 1, "prompt_contains": prompt}
        control.post("/_control/faults", json=body).raise_for_status()
        job = until_ended(client, post(client, prompt=prompt).json()["id"])
        rows = control.get("/_control/submissions").json()
    assert job["status"] == "failed"
    assert job["error"]["code"] == code
    assert job["error"]["message"]
    assert job["error"]["suggested_action"]
    assert job["refunded_credits"] == 40
    reads(lambda: available(customer), 100)
    amounts = [t["amount_credits"] for t in transactions(customer)]
    assert amounts == [40, -40, 100]
    assert all(
        later["balance_after"] == earlier["balance_after"] + later["amount_credits"]
        for later, earlier in pairwise(transactions(customer))
    )
    assert len([row for row in rows if row["prompt"] == prompt]) == 1


def test_a_provider_that_is_busy_for_a_moment_is_asked_again(system):
    customer = system.new_account(100)
    prompt = f"busy {uuid4()}"
    with system.simulator() as control, customer.client() as client:
        body = {"provider": "google", "kind": "error_429", "next_n": 2, "prompt_contains": prompt}
        control.post("/_control/faults", json=body).raise_for_status()
        job = until_ended(client, post(client, prompt=prompt).json()["id"])
        rows = control.get("/_control/submissions").json()
    assert job["status"] == "completed"
    assert [row["billed"] for row in rows if row["prompt"] == prompt] == [False, False, True]


def test_a_cancelled_job_ends_as_cancelled_and_answers_alike_when_repeated_C28(system):
    customer = system.new_account(100)
    with system.simulator() as control, customer.client() as client:
        control.post("/_control/clock", json={"seconds": 30})
        try:
            job_id = post(client).json()["id"]
        finally:
            control.post("/_control/clock", json={"seconds": 1.5})
        assert client.post(f"/v1/generations/{job_id}/cancel").status_code == 202
        assert until_ended(client, job_id)["status"] == "cancelled"
        assert client.post(f"/v1/generations/{job_id}/cancel").status_code == 409
