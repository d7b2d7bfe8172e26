"""The provider: wrong answers of every kind, and away for a while."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from replay.submissions import fetch_submissions
from simulator.faults import FaultKind
from tests.chaos.arena import Arena
from tests.chaos.fault import Fault, Size

# All kinds together meet about a third of the jobs.
RATE_OF_EACH_KIND = 0.03
# Row 30, and the floor under it: a retry budget's ten repeats at once (decision 0028).
ATTEMPTS_PER_JOB_MAX = 1.2
REPEATS_AT_ONCE = 10
# After a return calls begin 1 s apart for 10 s (decision 0028); two more are probes.
RETURN_SECONDS = 10
CALLS_ON_RETURN_MAX = 12


async def every_fault(arena: Arena, _: str) -> None:
    """Let a third of all orders go wrong, each kind as often as the others."""
    with arena.system.simulator() as control:
        for kind in FaultKind:
            body = {"provider": "google", "kind": kind.value, "rate": RATE_OF_EACH_KIND}
            control.post("/_control/faults", json=body).raise_for_status()
        arena.say(f"each of {len(FaultKind)} faults at {RATE_OF_EACH_KIND:.0%}")
        try:
            await asyncio.sleep(arena.hold_seconds)
        finally:
            control.delete("/_control/faults").raise_for_status()
    await arena.recovered(time.monotonic())


Absence = Callable[[Arena], AbstractContextManager[None]]


@contextmanager
def _dead(arena: Arena) -> Iterator[None]:
    with arena.system.without("simulator"):
        yield


@contextmanager
def _frozen(arena: Arena) -> Iterator[None]:
    process = arena.process("simulator")
    assert process is not None, "the simulator runs"
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


async def provider_away(arena: Arena, _: str, *, absence: Absence) -> None:
    """Take the provider away for a while: few calls meanwhile, and no flood when it is back."""
    jobs_before, intents_before = arena.progress.count("ledger"), arena.progress.intents
    with absence(arena):
        arena.say(f"the provider is away for {arena.hold_seconds} s")
        await asyncio.sleep(arena.hold_seconds)
    back_at, back_on = time.monotonic(), datetime.now(UTC)
    await arena.until(partial(_answers, arena), "the provider answers")
    await arena.recovered(back_at)
    await asyncio.sleep(max(back_at + RETURN_SECONDS - time.monotonic(), 0))
    jobs = arena.progress.count("ledger") - jobs_before
    attempts = arena.progress.intents - intents_before
    workers = len(arena.workers("generation"))
    arena.count("jobs meanwhile", jobs)
    arena.count("attempts", attempts)
    allowed = max(ATTEMPTS_PER_JOB_MAX * jobs, jobs + REPEATS_AT_ONCE * workers)
    if attempts > allowed:
        arena.wrong.append(f"{attempts} attempts for {jobs} jobs, at most {allowed:.0f}")
    calls = await _calls_since(arena, back_on)
    arena.count(f"calls in the first {RETURN_SECONDS} s", calls)
    # One that stood still then finds what its own socket kept for it, sent before and given up.
    if absence is _dead and calls > CALLS_ON_RETURN_MAX * workers:
        arena.wrong.append(f"{calls} orders in the first {RETURN_SECONDS} s of {workers} workers")


async def _answers(arena: Arena) -> bool:
    return arena.process("simulator") is not None


async def _calls_since(arena: Arena, moment: datetime) -> int:
    """Count the orders that the provider has on its list from its first seconds."""
    rows = await fetch_submissions(arena.system.variables["TAPE_SIMULATOR_URL"])
    until = moment + timedelta(seconds=RETURN_SECONDS)
    return sum(moment <= datetime.fromisoformat(row.received_at) < until for row in rows)


PROVIDER_FAULTS = (
    Fault(
        "provider_faults",
        "21, 22, 24, 25",
        every_fault,
        small=Size(strikes=1, jobs=24, hold_seconds=6),
        full=Size(strikes=1, jobs=1200, hold_seconds=300),
    ),
    Fault(
        "provider_dead",
        "30",
        partial(provider_away, absence=_dead),
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=1, jobs=1000, hold_seconds=600),
    ),
    Fault(
        "provider_frozen",
        "21, 30",
        partial(provider_away, absence=_frozen),
        # Longer than an order may take (5 s), so that clients give up.
        small=Size(strikes=1, jobs=8, hold_seconds=7),
        full=Size(strikes=2, jobs=1000, hold_seconds=120),
    ),
)
