"""Processes that are killed or stand still: workers, ingress, broker, database, all at once."""

import asyncio
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from devstack.records import running
from tests.chaos.arena import LOOK_EVERY_SECONDS, ROLES, Arena
from tests.chaos.fault import Fault, Size
from tests.running import read_variables, tape

# 30 s: torture.md row 5, and row 14 for what is noticed late.
COLD_START_SECONDS_MAX = 30.0
# A frozen worker that is woken up finds out within its next heartbeat or its watchdog's next look.
FENCED_WITHIN_SECONDS = 30.0
# 10 s: a worker that was started so long ago has come up, on a busy machine too.
UP_FOR_SECONDS = 10.0
# One strike in ten meets every worker of a role.
ALL_OF_A_ROLE = 0.1


async def kill_worker(arena: Arena, role: str) -> None:
    """SIGKILL one worker of a role, now and then every one of them."""
    victims = [await arena.any_worker(role)]
    if arena.dice.random() < ALL_OF_A_ROLE:
        victims = arena.workers(role)
    arena.count("kills", len(victims))
    await arena.recovered(arena.kill(*victims), [role])


async def kill_ingress(arena: Arena, _: str) -> None:
    """SIGKILL the ingress; clients repeat with their keys until somebody answers."""
    await arena.any_worker("ingress")
    arena.count("kills")
    await arena.recovered(arena.kill("ingress"))


async def kill_service(arena: Arena, name: str) -> None:
    """SIGKILL the broker, or Postgres with all its connections."""
    await arena.any_worker(name)
    arena.count("kills")
    await arena.recovered(arena.kill(name))


async def freeze_broker(arena: Arena, _: str) -> None:
    """SIGSTOP the broker beyond the limit of a commit: nobody knows what came of it."""
    process = arena.process("kafka")
    assert process is not None, "the broker runs"
    os.kill(process.pid, signal.SIGSTOP)
    arena.say(f"SIGSTOP kafka ({process.pid}) for {arena.hold_seconds} s")
    try:
        await asyncio.sleep(arena.hold_seconds)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    arena.count("freezes")
    await arena.recovered(time.monotonic())


async def freeze_worker(arena: Arena, role: str) -> None:
    """SIGSTOP a worker until another has taken over, then wake it: it must be fenced and end."""
    name, process = await _stopped(arena, role)
    frozen_at = time.monotonic()
    log = arena.system.state_dir / "logs" / f"{name}.log"
    log_from = log.stat().st_size
    arena.say(f"SIGSTOP {name} ({process.pid})")
    arena.count("freezes")
    try:
        await arena.recovered(frozen_at, [role])
        await asyncio.sleep(frozen_at + arena.hold_seconds - time.monotonic())
    finally:
        os.kill(process.pid, signal.SIGCONT)
        arena.say(f"SIGCONT {name} after {time.monotonic() - frozen_at:.2f} s")
    try:
        await arena.until(
            lambda: not running(process),
            f"{name}, which was replaced, ends",
            FENCED_WITHIN_SECONDS,
        )
    except AssertionError as error:
        arena.wrong.append(str(error))
    reason = end_reason(log, log_from)
    arena.say(f"{name} ended: {reason}")
    arena.count(kind_of_end(reason))


async def _stopped(arena: Arena, role: str) -> tuple[str, psutil.Process]:
    """Stop one worker of a role, not one that just begins or ends.

    A supervisor kills what does not come up in time, as one that stands still then does not.
    """
    while True:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        name = await arena.any_worker(role)
        process = arena.process(name)
        if process is None:
            continue
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if time.time() - process.create_time() < UP_FOR_SECONDS:
                continue
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            if process.status() == psutil.STATUS_STOPPED:
                return name, process


def end_reason(log: Path, log_from: int) -> str:
    """Give why a process says that it ended, from its log; nothing if it does not say."""
    with log.open("rb") as lines:
        lines.seek(log_from)
        said = [line for line in lines.read().decode(errors="replace").splitlines() if line]
    return next((line for line in said if "process_ends" in line), "")


def kind_of_end(reason: str) -> str:
    if "Fenced" in reason or "InvalidProducerEpoch" in reason:
        return "fenced at a write"
    if "stood still" in reason:
        return "ended by its watchdog"
    return "ended otherwise" if reason else "ended without a word"


async def kill_everything(arena: Arena, _: str) -> None:
    """SIGKILL the supervisor and all that it runs at one moment, then start anew."""
    run = arena.system.state_dir / "run"
    names = [path.stem for path in run.glob("*.pid")]
    killed_at = arena.kill("supervisor", *(name for name in names if name != "supervisor"))
    arena.count("kills", len(names))
    arguments = [*arena.system.arguments]
    again = await asyncio.to_thread(
        tape,
        ["up", "--detach", "--free-ports", *arguments],
        arena.system.state_dir,
        arena.system.extra,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    seconds = time.monotonic() - killed_at
    arena.say(f"up again after {seconds:.1f} s")
    if seconds > COLD_START_SECONDS_MAX:
        arena.wrong.append(f"a cold start took {seconds:.1f} s, at most {COLD_START_SECONDS_MAX}")
    variables = await asyncio.to_thread(read_variables, arena.system.state_dir)
    assert variables == dict(arena.system.variables), "it serves where it served before"
    await arena.recovered(killed_at)


PROCESS_FAULTS = (
    Fault(
        "worker_killed",
        "1, 2",
        kill_worker,
        small=Size(strikes=3, jobs=12),
        full=Size(strikes=1000, jobs=20_000, pause_seconds_max=8),
        targets=ROLES,
        recovery_seconds_max=15.0,
    ),
    Fault(
        "worker_frozen",
        "6",
        freeze_worker,
        # 12 s: beyond the watchdog's 10, which ends also one that wakes with nothing to write.
        small=Size(strikes=2, jobs=8, hold_seconds=12),
        full=Size(strikes=20, jobs=1000, hold_seconds=60),
        targets=("ledger", "generation"),
    ),
    Fault(
        "ingress_killed",
        "2",
        kill_ingress,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=50, jobs=1000, pause_seconds_max=4),
    ),
    Fault(
        "broker_killed",
        "3",
        kill_service,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=20, jobs=1000, pause_seconds_max=4),
        targets=("kafka",),
    ),
    Fault(
        "broker_frozen",
        "15",
        freeze_broker,
        small=Size(strikes=1, jobs=8, hold_seconds=14),
        full=Size(strikes=10, jobs=1000, hold_seconds=20),
    ),
    Fault(
        "postgres_killed",
        "4",
        kill_service,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=20, jobs=1000, pause_seconds_max=4),
        targets=("postgres",),
    ),
    Fault(
        "everything_killed",
        "5",
        kill_everything,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=10, jobs=1000, pause_seconds_max=4),
        recovery_seconds_max=30.0,
    ),
)
