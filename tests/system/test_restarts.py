"""Every process is restarted in order while clients go on: none of them sees a request fail."""

import re
import threading
from collections import Counter
from functools import partial
from itertools import count
from typing import Self

import httpx
import pytest

from tests.running import Customer, RunningSystem, running_system, tape
from tests.system.jobs import post, until_ended

pytestmark = pytest.mark.timeout(400)
CLIENTS = 4


@pytest.fixture(scope="module")
def own_system(tmp_path_factory):
    """Give a system of its own: what happens here must not disturb the session's."""
    state_dir = tmp_path_factory.mktemp("restarts")
    extra = {
        "TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5",
        "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "6",
        # A customer may post faster than videos are made while workers are away.
        "TAPEWORKS_ACTIVE_JOBS_MAX": "1000",
    }
    with running_system(state_dir, "--generation-seconds", "1", extra=extra) as running:
        yield running


class Load:
    """Clients that post and look, each on a kept connection and on new ones in turn."""

    def __init__(self, customers: list[Customer]) -> None:
        self.answers: Counter[str] = Counter()
        self.jobs: list[tuple[Customer, str]] = []
        # Whose kept connection was said to close, so that its client opens another in time.
        self.told: set[str] = set()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(c,)) for c in customers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, customer: Customer) -> None:
        with customer.client() as kept:
            kept.event_hooks["response"].append(partial(self._listen, customer))
            for number in count():
                if self._stop.wait(0.02):
                    return
                if number % 20 == 0:
                    self._post(customer, kept)
                elif number % 2:
                    self._note(lambda: kept.get("/v1/credits"))
                else:
                    with customer.client() as fresh:
                        self._note(lambda client=fresh: client.get("/v1/credits"))

    def _listen(self, customer: Customer, answer: httpx.Response) -> None:
        if answer.headers.get("connection") == "close":
            self.told.add(customer.account_id)

    def _post(self, customer: Customer, client: httpx.Client) -> None:
        answer = self._note(lambda: post(client, f"{customer.account_id}-{len(self.jobs)}"))
        if answer is not None and answer.status_code == 202:
            self.jobs.append((customer, answer.json()["id"]))

    def _note(self, ask) -> httpx.Response | None:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            seen, answer = repr(error), None
        else:
            seen = str(answer.status_code)
            if answer.status_code >= 400 and "ACTIVE_JOBS" not in answer.text:
                seen += answer.text
        with self._lock:
            self.answers[seen] += 1
        return answer


def test_a_rolling_restart_under_load_fails_no_request(own_system: RunningSystem):
    """Issue 5, item 6: workers end their transactions, the ingress its calls, within 10 s."""
    with Load([own_system.new_account(10_000) for _ in range(CLIENTS)]) as load:
        before = {name: own_system.pid(name) for name in ("ledger", "generation", "ingress")}
        restarted = tape(["restart", "--rolling"], own_system.state_dir)
    assert restarted.returncode == 0, restarted.stdout
    found = re.findall(r"(\S+): ended with (\S+) after", restarted.stdout)
    assert [name for name, _ in found] == ["ledger", "generation", "projections", "ingress"]
    # One that has not ended after 10 s is killed, and ends with -9; uvicorn passes its signal on.
    assert {code for _, code in found} <= {"0", "-15"}, restarted.stdout
    assert all(own_system.pid(name) != pid for name, pid in before.items())
    assert set(load.answers) <= {"200", "202", "429"}, load.answers
    assert len(load.told) == CLIENTS
    assert len(load.jobs) > CLIENTS
    for customer, job_id in load.jobs:
        with customer.client() as client:
            assert until_ended(client, job_id, 60)["status"] == "completed"
    report = own_system.verify()
    assert report.returncode == 0, report.stdout


def test_one_process_is_restarted_by_its_name(own_system: RunningSystem):
    before = own_system.pid("projections")
    restarted = tape(["restart", "projections"], own_system.state_dir)
    assert restarted.returncode == 0, restarted.stdout
    assert "projections: ended with 0 after" in restarted.stdout
    assert own_system.pid("projections") != before


@pytest.mark.parametrize("arguments", [[], ["--rolling", "ledger"]])
def test_what_to_restart_is_said_in_one_way(own_system: RunningSystem, arguments):
    refused = tape(["restart", *arguments], own_system.state_dir)
    assert refused.returncode == 2
    assert "name processes, or say --rolling" in refused.stderr


def test_a_process_that_is_not_there_is_named_with_those_that_are(own_system: RunningSystem):
    refused = tape(["restart", "ledgr"], own_system.state_dir)
    assert refused.returncode == 1
    assert "No process is called ledgr" in refused.stdout
    assert "ledger" in refused.stdout


def test_without_a_running_system_nothing_is_restarted(tmp_path):
    refused = tape(["restart", "--rolling"], tmp_path)
    assert refused.returncode == 1
    assert "`tape up` starts it" in " ".join(refused.stdout.split())
