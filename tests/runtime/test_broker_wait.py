"""A worker that starts without its broker waits for it, within bounds."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx

from runtime.broker_wait import wait_for_broker
from tests.waiting import eventually


def bound() -> socket.socket:
    """Give a socket whose address refuses connections until it listens."""
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


def server(at: socket.socket) -> str:
    return f"127.0.0.1:{at.getsockname()[1]}"


def test_a_worker_waits_until_one_of_its_brokers_takes_connections():
    with closing(bound()) as away, closing(bound()) as late:
        threading.Timer(0.5, late.listen).start()
        began_at = time.monotonic()
        assert wait_for_broker(f"{server(away)}, {server(late)}", within_seconds=30)
        assert time.monotonic() - began_at >= 0.4


def test_a_broker_that_does_not_come_is_waited_for_no_longer_than_said(capsys):
    with closing(bound()) as away:
        began_at = time.monotonic()
        assert not wait_for_broker(server(away), within_seconds=0.5)
        assert time.monotonic() - began_at >= 0.5
    said = capsys.readouterr()
    assert (said.out + said.err).count("waits_for_broker") == 1


def test_servers_are_written_as_everywhere(monkeypatch):
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], _: float) -> socket.socket:
        asked.append(address)
        return bound()

    monkeypatch.setattr(socket, "create_connection", connect)
    for servers in ("kafka", "[::1]:9093"):
        assert wait_for_broker(servers, within_seconds=0)
    assert asked == [("kafka", 9092), ("::1", 9093)]


def test_a_broker_that_is_there_is_not_waited_for():
    with closing(bound()) as there:
        there.listen()
        assert wait_for_broker(server(there), within_seconds=0)


async def test_a_worker_without_a_broker_lives_is_not_ready_and_ends_when_told(tmp_path):
    log = tmp_path / "log"
    with closing(bound()) as away, log.open("w") as output:
        worker = subprocess.Popen(  # noqa: ASYNC220  it starts without waiting for anything
            [sys.executable, "-m", "processors.ledger_main"],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": server(away)},
            stdout=output,
            stderr=output,
        )

        async def waits() -> bool:
            return "waits_for_broker" in log.read_text() or worker.poll() is not None

        try:
            await eventually(waits, "the worker waits for its broker")
            said = [json.loads(line) for line in log.read_text().splitlines()]
            port = next(line["probe_port"] for line in said if line["event"] == "worker_starts")
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as probe:
                assert (await probe.get("/healthz")).status_code == 200
                assert (await probe.get("/readyz")).status_code == 503
            assert worker.poll() is None
        finally:
            worker.terminate()
            ended_with = worker.wait(5)
    assert ended_with == -signal.SIGTERM
