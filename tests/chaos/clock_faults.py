"""A machine whose clock jumps while its processes run.

The processes are real and so are their calls; a library before the system's (libfaketime) adds to
the time of day what a file says. Counts of seconds go on as ever, as when an operator sets a clock.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil

from tests.chaos.arena import Arena
from tests.chaos.fault import Fault, Size
from tests.running import tape

HOUR_SECONDS = 3600
# So often a process reads the file again.
READ_EVERY_SECONDS = 1
RESTART_SECONDS_MAX = 120.0
# By turns, one a strike.
STARTED_MEANWHILE = ("generation", "ledger", "ingress", "projections")
FORWARD, BACK = "jumps forward", "jumps back"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  where the library keeps what it shares


class MachineClock:
    """The clock of all processes that are started with its variables, and of their children.

    Broker and database keep the machine's own, as if they stood elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock"
        self.put_ahead(0)

    @property
    def variables(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": str(READ_EVERY_SECONDS),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_SKIP_CMDS": "initdb,postgres",
        }

    def put_ahead(self, seconds: int) -> None:
        """Have the clock differ from the machine's by so much, from within a second on."""
        draft = self._path.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}\n")
        draft.rename(self._path)


def _library() -> Path:
    found = find_spec("libfaketime")
    assert found is not None, "libfaketime is installed with all else"
    assert found.origin is not None, "libfaketime is a package"
    return Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Remove what the library shared between processes that are gone, for they were killed."""
    try:
        yield
    finally:
        for path in SHARED_MEMORY.glob("*faketime_s*_*"):
            if not _runs(int(path.name.rsplit("_", 1)[1])):
                path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def clock_jumped(clock: MachineClock) -> Fault:
    """Give the fault that puts this clock forward or back, with processes started meanwhile."""

    async def put_clock(arena: Arena, _: str) -> None:
        hours = 1 if arena.notes.get(FORWARD, 0) <= arena.notes.get(BACK, 0) else -1
        at = time.monotonic()
        arena.say(f"the clock jumps by {hours} h")
        arena.count(FORWARD if hours > 0 else BACK)
        clock.put_ahead(hours * HOUR_SECONDS)
        try:
            await asyncio.sleep(2 * READ_EVERY_SECONDS)
            await arena.recovered(at)
            # Whoever starts now knows no other time than the wrong one.
            await _restart(arena, STARTED_MEANWHILE[len(arena.recoveries) // 2 % 4])
            await asyncio.sleep(arena.hold_seconds)
        finally:
            clock.put_ahead(0)
        at = time.monotonic()
        arena.say("the clock is right again")
        await asyncio.sleep(2 * READ_EVERY_SECONDS)
        await arena.recovered(at)

    return Fault(
        "clock_jumped",
        "12",
        put_clock,
        small=Size(strikes=2, jobs=8),
        full=Size(strikes=10, jobs=400, hold_seconds=10, pause_seconds_max=5),
    )


async def _restart(arena: Arena, name: str) -> None:
    system = arena.system
    arena.say(f"restarts {name}")
    restarted = await asyncio.to_thread(
        tape, ["restart", name], system.state_dir, timeout_seconds=RESTART_SECONDS_MAX
    )
    if restarted.returncode != os.EX_OK:
        arena.wrong.append(f"tape restart: {restarted.stdout} {restarted.stderr}")
    arena.count("processes started meanwhile")
