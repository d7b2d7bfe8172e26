"""Pid files, and the proof that a pid is still the process that was started.

A pid alone proves nothing: the number is given to another process once ours is gone. So beside
`<name>.pid` lies `<name>.json` with the start time and the command line; only a process that
matches both is ever signalled.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from devstack.errors import DevstackError
from devstack.state import StateFolder

# psutil derives a start time from the boot time, which moves when the clock is set; the same
# pid with the same command line again within 2 s of itself is not to be feared.
CREATED_WITHIN_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.05
KILLED_WITHIN_SECONDS = (
    10.0  # an unschedulable or swapped-out process needs a while even to be killed
)


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What is known of a process that was started.

    Units: `created_at` is seconds since 1970, UTC, by the system's clock.
    """

    name: str
    pid: int
    created_at: float
    argv: tuple[str, ...]
    address: str
    stop_signal: int
    stop_within_seconds: float

    def process(self) -> psutil.Process | None:
        """Return the running process, or nothing when it is gone or the pid is another's."""
        try:
            process = psutil.Process(self.pid)
            ours = (
                abs(process.create_time() - self.created_at) <= CREATED_WITHIN_SECONDS
                and tuple(process.cmdline()) == self.argv
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return None
        return process if ours else None


def save(state: StateFolder, record: ProcessRecord) -> None:
    """Write the proof first, then the pid file, each whole or not at all."""
    _write(_proof_path(state, record.name), json.dumps(asdict(record), indent=2))
    _write(state.pid(record.name), f"{record.pid}\n")


def forget(state: StateFolder, name: str) -> None:
    state.pid(name).unlink(missing_ok=True)
    _proof_path(state, name).unlink(missing_ok=True)


def load(state: StateFolder, name: str) -> ProcessRecord | None:
    """Return what was recorded under a name, running or not; nothing if it cannot be trusted."""
    try:
        fields = json.loads(_proof_path(state, name).read_text())
        record = ProcessRecord(**{**fields, "argv": tuple(fields["argv"])})
        pid = int(state.pid(name).read_text())
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return record if record.pid == pid else None


def recorded(state: StateFolder) -> tuple[ProcessRecord, ...]:
    """Return every record of a state directory, in the order in which they were started."""
    names = [path.stem for path in state.run.glob("*.pid")]
    records = [record for name in names if (record := load(state, name)) is not None]
    return tuple(sorted(records, key=lambda record: record.created_at))


async def stop_recorded(state: StateFolder, record: ProcessRecord) -> bool:
    """Stop what was started under a record, and forget it; tell whether it was still running.

    Raises: DevstackError when it does not end even by force.
    Guarantee: a process that is not the one recorded is left alone.
    """
    process = record.process()
    if process is not None:
        await stop_process(
            process,
            with_signal=signal.Signals(record.stop_signal),
            within_seconds=record.stop_within_seconds,
        )
    forget(state, record.name)
    return process is not None


async def stop_leftovers(state: StateFolder) -> tuple[str, ...]:
    """Stop what an earlier supervisor of this state left running; return the names.

    Raises: DevstackError when one does not end even by force.
    Guarantee: newest first, and never a process whose pid has become another's.
    """
    stopped = []
    for record in reversed(recorded(state)):
        if record.pid == os.getpid():
            continue
        try:
            if await stop_recorded(state, record):
                stopped.append(record.name)
        except psutil.AccessDenied as error:
            raise DevstackError(f"{record.name} ({record.pid}) belongs to another user") from error
    return tuple(stopped)


async def stop_process(
    process: psutil.Process, *, with_signal: signal.Signals, within_seconds: float
) -> None:
    """Ask a process to end; end it and its descendants by force when the time is over.

    Raises: DevstackError when one of them does not end even by force.
    Guarantee: psutil signals no pid that has become another's.
    """
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
        process.send_signal(with_signal)
    await gone([process], within_seconds)
    for member in filter(running, family):
        with suppress(psutil.NoSuchProcess):
            member.kill()
    if not await gone(family, KILLED_WITHIN_SECONDS):
        raise DevstackError(f"Process {process.pid} does not end, not even by SIGKILL")


async def gone(processes: Sequence[psutil.Process], within_seconds: float) -> bool:
    """Wait until all of these have ended; tell whether they have."""
    give_up_at = time.monotonic() + within_seconds
    while any(map(running, processes)):
        if time.monotonic() > give_up_at:
            return False
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return True


def running(process: psutil.Process) -> bool:
    """Tell whether a process still runs; one that only waits to be reaped does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _proof_path(state: StateFolder, name: str) -> Path:
    return state.pid(name).with_suffix(".json")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_text(text)
    draft.replace(path)
