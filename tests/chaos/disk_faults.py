"""Disks that are full: the broker's, and that of Postgres."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.chaos.arena import LOOK_EVERY_SECONDS, Arena
from tests.chaos.fault import Fault, Size

LIMIT_SECONDS_MAX = 5.0


async def fill_disk(arena: Arena, name: str) -> None:
    """Let no file of a service grow for a while, whoever restarts it, and then let them.

    By the limit of file sizes, which needs no disk of its own: an append fails as on a full one.
    """
    over_at = time.monotonic() + arena.hold_seconds
    refused: set[int] = set()
    while time.monotonic() < over_at:
        for pid in _pids(arena, name):
            if pid not in refused:
                _limit(pid, full=True)
                refused.add(pid)
                arena.say(f"no file of {name} ({pid}) grows")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    for pid in _pids(arena, name):
        _limit(pid, full=False)
    arena.say(f"files of {name} grow again")
    arena.count(f"processes of {name} that could not write", len(refused))
    await arena.recovered(time.monotonic())


def _pids(arena: Arena, name: str) -> Iterator[int]:
    """Give a service's process and those that it started, which write for it."""
    service = arena.process(name)
    if service is None:
        return
    yield service.pid
    with suppress(psutil.NoSuchProcess):
        yield from (child.pid for child in service.children(recursive=True))


def _limit(pid: int, *, full: bool) -> None:
    """Set or lift the soft limit, as the user whose process it is: root alone may not."""
    as_root = os.geteuid() == 0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        size = "0:" if full else "unlimited:"
        done = subprocess.run(
            ["prlimit", f"--pid={pid}", f"--fsize={size}"],
            user=process.uids().real if as_root else None,
            group=process.gids().real if as_root else None,
            cwd="/",
            capture_output=True,
            timeout=LIMIT_SECONDS_MAX,
            check=False,
        )
        # One that ended meanwhile has no limits any more, as a connection's process often does.
        if done.returncode != 0 and process.status() != psutil.STATUS_ZOMBIE:
            done.check_returncode()


DISK_FAULTS = (
    Fault(
        "broker_disk_full",
        "8",
        fill_disk,
        small=Size(strikes=1, jobs=8, hold_seconds=4),
        full=Size(strikes=10, jobs=1000, hold_seconds=30),
        targets=("kafka",),
    ),
    Fault(
        "postgres_disk_full",
        "9",
        fill_disk,
        small=Size(strikes=1, jobs=8, hold_seconds=4),
        full=Size(strikes=10, jobs=1000, hold_seconds=20),
        targets=("postgres",),
    ),
)
