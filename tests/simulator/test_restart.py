"""A simulator whose process ends: what the next one on the same folder knows."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from simulator.journal import FILE_NAME
from tests.simulator.conftest import DEADLINE_SECONDS, Wire, running


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], Wire]]:
    command = [sys.executable, "-m", "simulator", "--generation-seconds", "0", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as started:
        assert started.stdout
        wire = Wire(started.stdout.readline().split()[-1])
        try:
            yield started, wire
        finally:
            wire.http.close()
            started.kill()


def test_a_killed_simulator_goes_on_where_it_was(tmp_path):
    with process("--state", str(tmp_path)) as (started, wire):
        wire.submit(durationSeconds=5)
        wire.fault("tiny_download")
        names = [wire.name("tiny"), wire.name("sound")]
        rows = wire.rows()
        started.kill()
        started.wait(DEADLINE_SECONDS)
    with process("--state", str(tmp_path)) as (_, wire):
        assert wire.rows() == rows
        tiny, sound = (wire.download(name).content for name in names)
        assert len(tiny) < 1000 < len(sound)


def test_sigterm_ends_the_process_with_exit_code_zero_and_frees_idle_connections():
    with process() as (started, wire):
        wire.name()
        started.send_signal(signal.SIGTERM)
        assert started.wait(DEADLINE_SECONDS) == 0


def test_a_submission_that_hangs_does_not_hold_up_the_stop():
    with process() as (started, wire), ThreadPoolExecutor() as clients:
        wire.fault("hang", next_n=1, seconds=3600)
        hanging = clients.submit(wire.submit)
        while not wire.rows():
            assert not hanging.done()
        started.send_signal(signal.SIGTERM)
        assert started.wait(DEADLINE_SECONDS) == 0
        assert isinstance(hanging.exception(DEADLINE_SECONDS), httpx.TransportError)
        assert started.stderr
        assert started.stderr.read() == ""


def test_a_taken_port_is_named_with_a_remedy():
    with running() as wire:
        port = wire.url.rpartition(":")[2]
        command = [sys.executable, "-m", "simulator", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "choose another --port" in ended.stderr


def test_a_generation_keeps_its_time_across_a_restart(tmp_path):
    with running(state=tmp_path) as wire:
        wire.http.post("/_control/clock", json={"seconds": 3600}).raise_for_status()
        running_name = wire.name()
        wire.http.post("/_control/clock", json={"seconds": 0}).raise_for_status()
        done_name = wire.name()
    with running(state=tmp_path) as wire:
        assert "done" not in wire.poll(running_name)
        assert wire.poll(done_name)["done"]


def test_a_generation_goes_on_while_no_simulator_runs(tmp_path):
    with running(state=tmp_path) as wire:
        wire.http.post("/_control/clock", json={"seconds": 3600}).raise_for_status()
        name = wire.name()
    journal = tmp_path / FILE_NAME
    entry = msgspec.json.decode(journal.read_bytes())
    entry["operation"]["accepted_at"] -= 3601
    journal.write_bytes(msgspec.json.encode(entry) + b"\n")
    with running(state=tmp_path) as wire:
        assert wire.poll(name)["done"]


def test_cleared_rows_stay_cleared(tmp_path):
    with running(state=tmp_path) as wire:
        name = wire.name()
        wire.http.delete("/_control/submissions").raise_for_status()
        wire.name("after")
    with running(state=tmp_path) as wire:
        assert [row["prompt"] for row in wire.rows()] == ["after"]
        assert wire.poll(name)["done"]


def test_a_line_that_was_never_finished_is_taken_away(tmp_path):
    with running(state=tmp_path) as wire:
        wire.name("whole")
    with (tmp_path / FILE_NAME).open("a") as journal:
        journal.write('{"submission": {"provi')
    with running(state=tmp_path) as wire:
        wire.name("next")
    with running(state=tmp_path) as wire:
        assert [row["prompt"] for row in wire.rows()] == ["whole", "next"]


def test_a_broken_line_in_the_middle_stops_the_start(tmp_path: Path):
    (tmp_path / FILE_NAME).write_text("broken\n")
    with pytest.raises(msgspec.DecodeError), running(state=tmp_path):
        pass


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with running() as wire:
        wire.name()
    assert list(tmp_path.iterdir()) == []
