import asyncio
import json
import signal
import socket
import sys

import psutil
import pytest

from devstack.errors import StartError
from devstack.ports import LOOPBACK, free_port
from devstack.processes import ManagedProcess, start_together
from devstack.records import load, stop_leftovers
from tests.waiting import eventually


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def http_server(state, port, **how):
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK]
    return ManagedProcess("web", argv, state=state, ready=f"http://{LOOPBACK}:{port}/", **how)


async def test_a_process_is_ready_when_its_url_answers(state):
    process = http_server(state, free_port())
    await process.start()
    assert await process.healthy()
    await process.stop()
    assert not await process.healthy()


async def test_the_pid_file_holds_the_pid_and_goes_with_the_process(sleeper):
    process = sleeper()
    await process.start()
    assert process.pid_path.read_text() == f"{process.pid}\n"
    await process.stop()
    assert not process.pid_path.exists()
    assert process.exit_code == -signal.SIGTERM


async def test_a_port_that_is_taken_is_named_before_anything_starts(state):
    with socket.create_server((LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(StartError, match=f"another program listens on port {port}"):
            await http_server(state, port, ports=[port]).start()


async def test_a_process_that_ends_shows_the_end_of_its_own_log(state):
    with socket.create_server((LOOPBACK, 0)) as stranger:
        process = http_server(state, stranger.getsockname()[1])
        with pytest.raises(StartError) as failure:
            await process.start()
    assert "it ended with exit code 1" in str(failure.value)
    assert "Address already in use" in str(failure.value)
    assert str(process.log_path) in str(failure.value)
    assert not process.pid_path.exists()


async def test_an_error_shows_thirty_lines_of_this_start_and_none_of_an_earlier_one(sleeper):
    code = "for line in range(40): print('line', line, flush=True)\nraise SystemExit(3)"
    process = sleeper(code=code, ready="http://127.0.0.1:1/")
    process.log_path.write_text("an earlier start\n")
    with pytest.raises(StartError) as failure:
        await process.start()
    assert "line 39" in str(failure.value)
    assert "line 10\n" in str(failure.value)
    assert "line 9\n" not in str(failure.value)
    assert "an earlier start" not in str(failure.value)


async def test_a_process_that_never_serves_is_stopped_and_says_why(sleeper):
    async def refuses() -> None:
        raise ConnectionError("the door is closed")

    process = sleeper(ready=refuses, ready_within_seconds=0.3)
    with pytest.raises(StartError, match=r"not ready within 0.3 s .*the door is closed"):
        await process.start()
    assert process.pid is None


async def test_a_program_that_is_not_there_is_a_clear_error(state):
    process = ManagedProcess("ghost", ["/no/such/program"], state=state)
    with pytest.raises(StartError, match=r"ghost did not start: .*No such file"):
        await process.start()


async def test_a_process_that_ignores_the_signal_is_killed_with_its_children(state, tmp_path):
    child_pid = tmp_path / "child.pid"
    code = (
        "import signal, subprocess, sys, pathlib\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(child_pid)!r}).write_text(str(child.pid))\n"
        "child.wait()"
    )

    async def has_a_child() -> None:
        assert child_pid.read_text()

    process = ManagedProcess(
        "stubborn",
        [sys.executable, "-c", code],
        state=state,
        ready=has_a_child,
        stop_within_seconds=0.2,
    )
    await process.start()
    await process.stop()
    assert process.exit_code == -signal.SIGKILL
    assert not is_running(int(child_pid.read_text()))


async def test_when_one_of_several_does_not_start_the_others_are_stopped(sleeper):
    good = sleeper("good")
    bad = sleeper("bad", code="raise SystemExit(1)", ready="http://127.0.0.1:1/")
    with pytest.raises(StartError, match="bad did not start"):
        await start_together([good, bad])
    assert good.pid is None


async def test_a_start_that_is_cancelled_leaves_nothing_running(sleeper, state):
    async def never() -> None:
        raise ConnectionError

    process = sleeper(ready=never)
    start = asyncio.create_task(process.start())

    async def has_begun() -> bool:
        return process.pid is not None

    await eventually(has_begun, "the process was started")
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    assert process.pid is None
    assert load(state, "sleeper") is None


async def test_leftovers_are_stopped_by_their_pid_files(sleeper, state):
    process = sleeper()
    await process.start()
    assert await stop_leftovers(state) == ("sleeper",)
    assert process.exit_code == -signal.SIGTERM
    assert await stop_leftovers(state) == ()


@pytest.mark.parametrize(
    "recycled", [{"created_at": 1_000_000_000.0}, {"argv": ["another", "program"]}]
)
async def test_a_process_that_only_has_the_recorded_pid_is_left_alone(sleeper, state, recycled):
    stranger = sleeper("stranger")
    await stranger.start()
    proof = stranger.pid_path.with_suffix(".json")
    proof.write_text(json.dumps(json.loads(proof.read_text()) | recycled))
    assert await stop_leftovers(state) == ()
    assert stranger.exit_code is None
    assert not stranger.pid_path.exists()
    await stranger.stop()


@pytest.mark.parametrize("proof", ["", "{}", "[]", '{"pid": "x"}'])
async def test_a_pid_file_without_its_proof_harms_nobody(sleeper, state, proof):
    stranger = sleeper("stranger")
    await stranger.start()
    stranger.pid_path.with_suffix(".json").write_text(proof)
    assert await stop_leftovers(state) == ()
    assert stranger.exit_code is None
    await stranger.stop()
