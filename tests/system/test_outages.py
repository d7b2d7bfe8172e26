"""A broker, a database or everything goes away and comes back: nothing hangs, nothing is half done.

The supervisor is stopped (SIGSTOP) while a service is to stay down: it would restart it at once.
"""

import os
import signal
import time
from uuid import uuid4

import httpx
import pytest

from tests.running import RunningSystem, clean_environment, read_variables, running_system, tape
from tests.system.jobs import post, reads, until_ended, until_settled

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def own_system(tmp_path_factory):
    """Give a system of its own: what happens here must not disturb the session's."""
    state_dir = tmp_path_factory.mktemp("outages")
    extra = {"TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5", "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "6"}
    with running_system(state_dir, "--generation-seconds", "2", extra=extra) as running:
        yield running


def until(condition, what: str, seconds: float = 60.0) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def answers(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.HTTPError:
        return 0


def test_without_a_broker_a_post_is_503_within_2_s_and_nothing_is_half_done(own_system):
    customer = own_system.new_account(100)
    key = str(uuid4())
    with customer.client() as client:
        with own_system.without("kafka"):
            for _ in range(3):
                started_at = time.monotonic()
                refused = post(client, key)
                assert time.monotonic() - started_at < 2.0
                assert refused.status_code == 503
                assert refused.json()["code"] == "BROKER_UNAVAILABLE"
                assert int(refused.headers["Retry-After"]) >= 1
        until(lambda: answers(client, "/readyz") == 200, "the ingress is ready again")
        until(lambda: post(client, key).status_code == 202, "the same key is accepted")
        job_id = post(client, key).json()["id"]
        assert until_ended(client, job_id, 90)["status"] == "completed"
        reads(lambda: client.get("/v1/generations").json()["total"], 1)
        reads(lambda: client.get("/v1/credits").json()["available_credits"], 60)


def test_without_postgres_reads_are_503_within_2_s_and_generations_go_on(own_system):
    customer = own_system.new_account(100)
    with customer.client() as client:
        before = post(client, prompt="before the outage").json()["id"]
        with own_system.without("postgres"):
            started_at = time.monotonic()
            refused = client.get(f"/v1/generations/{before}")
            assert time.monotonic() - started_at < 2.0
            assert refused.status_code == 503
            assert refused.json()["code"] == "DATABASE_UNAVAILABLE"
            assert int(refused.headers["Retry-After"]) >= 1
            accepted = post(client, prompt="during the outage")
            assert accepted.status_code == 202
            assert accepted.json()["status"] == "pending"
        until(lambda: answers(client, "/readyz") == 200, "the ingress is ready again")
        for job_id in (before, accepted.json()["id"]):
            assert until_ended(client, job_id, 60)["status"] == "completed"


def test_an_ingress_killed_after_publishing_leaves_one_job_for_the_repeat_I11(own_system):
    customer = own_system.new_account(100)
    key = str(uuid4())
    os.kill(own_system.pid("ledger"), signal.SIGSTOP)
    try:
        with customer.client() as client:
            # No ledger: the request is on the tape, its answer is not; then the ingress dies.
            first = post(client, key)
            assert (first.status_code, first.json()["status"]) == (202, "requested")
        os.kill(own_system.pid("ingress"), signal.SIGKILL)
    finally:
        os.kill(own_system.pid("ledger"), signal.SIGCONT)
    with customer.client() as client:
        until(lambda: answers(client, "/readyz") == 200, "the ingress is back")
        until(lambda: post(client, key).json()["status"] == "pending", "the ledger has decided")
        repeat = post(client, key)
        assert repeat.headers["X-Idempotent-Replay"] == "true"
        assert repeat.json()["id"] == first.json()["id"]
        assert until_ended(client, first.json()["id"], 60)["status"] == "completed"
        until_settled(client, 40)


def test_a_second_start_goes_on_where_everything_was_killed(own_system):
    customer = own_system.new_account(100)
    with own_system.simulator() as control, customer.client() as client:
        control.post("/_control/clock", json={"seconds": 5})
        job_id = post(client).json()["id"]
        until(
            lambda: client.get(f"/v1/generations/{job_id}").json()["status"] == "processing",
            "the provider has the job",
        )
    run = own_system.state_dir / "run"
    pids = {path.stem: int(path.read_text()) for path in run.glob("*.pid")}
    for name in sorted(pids, key=lambda name: name != "supervisor"):
        os.kill(pids[name], signal.SIGKILL)
    extra = {"TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5", "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "6"}
    again = tape(["up", "--detach", "--free-ports"], own_system.state_dir, extra)
    assert again.returncode == 0, again.stdout
    restarted = RunningSystem(own_system.state_dir, read_variables(own_system.state_dir))
    with restarted.client(customer.api_key) as client:
        assert until_ended(client, job_id, 90)["status"] == "completed"
    report = restarted.verify()
    assert report.returncode == 0, report.stdout


def test_a_second_up_on_a_running_system_is_refused_with_the_remedy(own_system):
    second = tape(["up", "--free-ports"], own_system.state_dir)
    assert second.returncode == 1
    assert "tape down" in second.stdout


def test_a_wrong_partition_count_is_refused_at_start(own_system):
    stopped = tape(["down"], own_system.state_dir)
    assert stopped.returncode == 0
    wrong = tape(["up", "--free-ports"], own_system.state_dir, {"TAPEWORKS_PARTITION_COUNT": "3"})
    assert wrong.returncode == 1
    assert "has 8 partitions, this system is set to 3" in " ".join(wrong.stdout.split())
    assert "TAPEWORKS_PARTITION_COUNT=8" in wrong.stdout


def test_the_environment_of_a_developer_does_not_leak_into_tests(tmp_path):
    assert "TAPE_URL" not in clean_environment(tmp_path)
