import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

import devstack.supervisor as supervisor_module
from devstack.errors import AlreadyRunningError, StartError, StopRequestedError
from devstack.records import load, running
from devstack.supervisor import Supervisor, backoff_seconds, stop_everything
from tests.waiting import eventually


@contextmanager
def supervising(state):
    """Runs `supervised.py`, up when the block begins."""
    argv = [sys.executable, "-m", "tests.devstack.supervised", str(state.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "up\n"
            yield program
        finally:
            program.kill()


def recorded_sleeper(state) -> psutil.Process:
    record = load(state, "sleeper")
    assert record is not None
    process = record.process()
    assert process is not None
    return process


def test_the_pause_before_a_restart_grows_to_ten_seconds_and_no_further():
    pauses = [backoff_seconds(failures) for failures in (0, 1, 2, 3, 4, 5, 100)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_a_process_that_ends_while_it_is_asked_is_not_healthy(sleeper, state, monkeypatch):
    async with Supervisor(state) as supervisor:
        process = sleeper(restart=False)
        await supervisor.start(process)

        async def ends_after_its_answer() -> bool:
            await process.stop()
            return True

        monkeypatch.setattr(process, "healthy", ends_after_its_answer)
        (row,) = await supervisor.status()
        assert (row.pid, row.healthy) == (None, False)


async def test_a_killed_process_is_started_again_and_counted(sleeper, state):
    notes: list[str] = []
    async with Supervisor(state, report=notes.append) as supervisor:
        process = sleeper(address="http://here")
        await supervisor.start(process)
        first_pid = process.pid
        os.kill(first_pid, signal.SIGKILL)

        async def is_back() -> bool:
            (row,) = await supervisor.status()
            return row.healthy and row.restarts > 0

        await eventually(is_back, "the process runs again")
        (row,) = await supervisor.status()
        assert row.pid != first_pid
        assert (row.name, row.address, row.restarts) == ("sleeper", "http://here", 1)
        assert process.pid_path.read_text() == f"{row.pid}\n"
    assert notes == [
        f"sleeper: ended with exit code -9; restart in 0.5 s; its log is {process.log_path}"
    ]
    assert process.pid is None


@pytest.mark.parametrize(("steady_after_seconds", "pauses"), [(0.5, [0.5, 0.5]), (60, [0.5, 1.0])])
async def test_only_an_end_soon_after_a_start_makes_the_next_pause_longer(
    sleeper, state, monkeypatch, steady_after_seconds, pauses
):
    """A worker that has served well comes back at once, whatever ended it: I19."""
    assert supervisor_module.STEADY_AFTER_SECONDS < 6, "what recovery within 15 s leaves"
    monkeypatch.setattr(supervisor_module, "STEADY_AFTER_SECONDS", steady_after_seconds)
    notes: list[str] = []
    async with Supervisor(state, report=notes.append) as supervisor:
        process = sleeper()
        await supervisor.start(process)
        for killed, _ in enumerate(pauses):

            async def is_up_for_a_second(killed: int = killed) -> bool:
                (row,) = await supervisor.status()
                return row.restarts == killed and row.healthy and row.uptime_seconds > 1

            await eventually(is_up_for_a_second, "the process runs")
            os.kill(process.pid, signal.SIGKILL)

        async def both_are_told() -> bool:
            return len(notes) == len(pauses)

        await eventually(both_are_told, "both ends were noticed")
    assert [float(note.split("restart in ")[1].split(" s;")[0]) for note in notes] == pauses


async def test_a_process_that_cannot_start_again_is_tried_on(sleeper, state, tmp_path):
    broken = tmp_path / "broken"
    notes: list[str] = []

    async def whole() -> None:
        if broken.exists():
            raise FileNotFoundError("a part is missing")

    async with Supervisor(state, report=notes.append) as supervisor:
        process = sleeper(prepare=whole)
        await supervisor.start(process)
        broken.touch()
        os.kill(process.pid, signal.SIGKILL)

        async def has_failed_to_start() -> bool:
            return any("a part is missing" in note for note in notes)

        await eventually(has_failed_to_start, "a restart failed")
        broken.unlink()

        async def is_back() -> bool:
            return process.pid is not None

        await eventually(is_back, "a later restart came through")
        assert any("restart in 1 s" in note for note in notes)


async def test_a_process_that_is_not_to_be_restarted_stays_down(sleeper, state):
    notes: list[str] = []
    async with Supervisor(state, report=notes.append) as supervisor:
        process = sleeper(restart=False)
        await supervisor.start(process)
        os.kill(process.pid, signal.SIGKILL)

        async def is_told() -> bool:
            return bool(notes)

        await eventually(is_told, "the end was reported")
        (row,) = await supervisor.status()
        assert (row.pid, row.healthy, row.restarts) == (None, False, 0)


async def test_stages_stop_in_reverse_order(sleeper, state, tmp_path):
    ends = tmp_path / "ends"

    def recording(name: str):
        code = (
            "import signal, sys\n"
            f"def end(*_): open({str(ends)!r}, 'a').write('{name} '); sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\nprint('armed', flush=True)"
        )
        log = state.log(name)

        async def armed() -> None:
            assert "armed" in log.read_text()

        return sleeper(name, code, ready=armed)

    async with Supervisor(state) as supervisor:
        await supervisor.start(recording("first"))
        await supervisor.start_stages([recording("second")], [recording("third")])
    assert ends.read_text() == "third second first "


async def test_a_failed_start_leaves_nothing_of_any_stage(sleeper, state):
    first = sleeper("first")
    async with Supervisor(state) as supervisor:
        await supervisor.start(first)
        with pytest.raises(StartError, match="preparing it failed: OSError: no"):
            await supervisor.start(sleeper("second", prepare=_impossible))
    assert first.pid is None
    assert list(state.run.glob("*.pid")) == []


async def _impossible() -> None:
    raise OSError("no")


async def test_a_stop_that_is_asked_for_while_starting_ends_the_start(sleeper, state):
    async def never() -> None:
        raise ConnectionError

    process = sleeper(ready=never)
    async with Supervisor(state) as supervisor:
        asyncio.get_running_loop().call_later(0.2, supervisor.request_stop)
        with pytest.raises(StopRequestedError):
            await supervisor.start(process)
        assert process.pid is None


async def test_two_supervisors_cannot_hold_one_state_directory(state):
    async with Supervisor(state):
        with pytest.raises(AlreadyRunningError, match="already runs on"):
            async with Supervisor(state):
                pass
    async with Supervisor(state):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(state, number):
    with supervising(state) as program:
        sleeper = recorded_sleeper(state)
        program.send_signal(number)
        assert program.wait(timeout=20) == 0
        assert not running(sleeper)
        assert list(state.run.glob("*.pid")) == []


async def test_a_start_after_a_kill_finds_what_was_left_and_stops_it(state):
    notes: list[str] = []
    with supervising(state) as program:
        leftover = recorded_sleeper(state)
        program.kill()
        program.wait(timeout=20)
        assert running(leftover)
        async with Supervisor(state, report=notes.append):
            assert not running(leftover)
    assert notes == ["sleeper: stopped what an earlier run had left"]


async def test_everything_can_be_stopped_from_another_process(state):
    with supervising(state) as program:
        sleeper = recorded_sleeper(state)
        # The supervisor is our child here, so it is ours to reap.
        reaping = asyncio.create_task(asyncio.to_thread(program.wait, 20))
        assert set(await stop_everything(state)) == {"supervisor", "sleeper"}
        assert await reaping == 0
        assert not running(sleeper)
    assert await stop_everything(state) == ()
