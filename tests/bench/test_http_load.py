"""The load generator itself: what it reports of a server that stood still (torture section 3)."""

import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import pytest

from bench.http_load import NUMBER, Load, LoadProcess, request, send

RATE = 500.0
FROZEN_SECONDS = 2.0
# A twentieth of the freeze, and many times an undisturbed answer.
DELAYED_SECONDS = 0.1


@dataclass(frozen=True)
class Server:
    process: "subprocess.Popen[str]"
    url: str


@pytest.fixture
def server():
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.one_answer"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield Server(process, f"http://127.0.0.1:{int(process.stdout.readline())}")
        process.send_signal(signal.SIGCONT)
        process.terminate()


def freeze(process, began):
    began.wait()
    # Inside the load's five seconds, with room for the backlog on both sides.
    time.sleep(1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(FROZEN_SECONDS)
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("connections_max", [16, 256])
def test_a_server_frozen_for_2_s_at_500_a_second_delays_1000_requests_by_1_s(
    server, connections_max
):
    """Torture section 3: as many requests as were due meanwhile, however many connections."""
    began = threading.Event()
    freezer = threading.Thread(target=freeze, args=(server.process, began))
    freezer.start()
    with LoadProcess() as process:
        began.set()
        answers = process.send(Load(server.url, [request("GET", "/")], RATE, 5.0, connections_max))
    freezer.join()
    assert answers.by_status == {200: 2500}
    # The request that waited longest was the first that the freeze met; the next 1,000 were due
    # while it lasted, each a five-hundredth of a second nearer to its end.
    seconds = list(answers.seconds)
    first = seconds.index(max(seconds))
    met = seconds[first : first + round(RATE * FROZEN_SECONDS)]
    assert all(
        waited >= FROZEN_SECONDS - place / RATE - DELAYED_SECONDS
        for place, waited in enumerate(met)
    )
    # The last was due as the freeze ended, so it tells how long the backlog took on this machine.
    assert 0.95 <= statistics.mean(met) <= 1.05 + met[-1]
    assert max(seconds) == pytest.approx(FROZEN_SECONDS, abs=0.3)
    others = seconds[:first] + seconds[first + len(met) :]
    assert statistics.median(others) < DELAYED_SECONDS


def test_each_request_carries_its_own_number_and_bodies_are_kept(server):
    numbered = request("POST", "/", {"Idempotency-Key": "load-" + NUMBER.decode()}, b"{}")
    assert NUMBER in numbered
    answers = send(Load(server.url, [numbered], 200.0, 0.1, bodies_kept=True))
    assert answers.bodies == [b"ok"] * 20
    assert answers.by_status == {200: 20}


def test_a_server_that_is_not_there_is_an_error():
    with LoadProcess() as process, pytest.raises(OSError, match=r"[Cc]onnect"):
        process.send(Load("http://127.0.0.1:9", [request("GET", "/")], 100.0, 0.1))


def test_a_server_that_dies_fails_what_was_not_answered(server):
    killer = threading.Timer(0.5, server.process.kill)
    killer.start()
    answers = send(Load(server.url, [request("GET", "/")], 200.0, 1.0))
    killer.join()
    assert set(answers.by_status) == {0, 200}
    assert answers.quantile(1.0) == float("inf")
