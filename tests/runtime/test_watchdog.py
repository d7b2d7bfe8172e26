"""A worker whose event loop stands still ends itself; one that works goes on."""

import asyncio
import threading
import time
from typing import Any

from runtime.watchdog import TICK_SECONDS, Watchdog
from tests.waiting import eventually

STALL_SECONDS_MAX = 0.3


class Told:
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.heard = threading.Event()

    def die(self, reason: str) -> Any:
        self.reasons.append(reason)
        self.heard.set()


async def test_a_loop_that_stands_still_ends_the_process():
    """Liveness (issue 5, item 6): the broker never notices, for another thread heartbeats (F44)."""
    told = Told()
    ticking = asyncio.create_task(Watchdog(told.die, STALL_SECONDS_MAX).tick())
    await asyncio.sleep(0)
    # The loop itself is held, as by an endless computation, until the watchdog has spoken.
    assert told.heard.wait(10 * TICK_SECONDS)
    ticking.cancel()
    await asyncio.wait([ticking])
    assert "the event loop stood still for" in told.reasons[0]


async def test_a_process_that_was_frozen_ends_even_if_its_loop_wakes_first(monkeypatch):
    """Torture.md row 6: in torture one of 20 woken workers went on."""
    monkeypatch.setattr(Watchdog, "_watch", lambda _: None)
    told = Told()
    ticking = asyncio.create_task(Watchdog(told.die, 1.5 * TICK_SECONDS).tick())
    await asyncio.sleep(0)
    time.sleep(2 * TICK_SECONDS)  # noqa: ASYNC251  the loop itself is to be held

    async def heard() -> bool:
        return told.heard.is_set()

    await eventually(heard, "the loop notices that it stood still")
    ticking.cancel()
    assert "the event loop stood still for" in told.reasons[0]


async def test_a_loop_that_runs_is_left_alone_and_the_watching_ends_with_it():
    told = Told()
    # Five ticks may be missed, as on a machine with other work, before the loop counts as still.
    ticking = asyncio.create_task(Watchdog(told.die, 5 * TICK_SECONDS).tick())
    started = time.monotonic()
    while time.monotonic() - started < 2 * TICK_SECONDS:  # noqa: ASYNC110  time itself is waited for
        await asyncio.sleep(0.01)
    assert told.reasons == []
    assert any(thread.name == "watchdog" for thread in threading.enumerate())
    ticking.cancel()
    await asyncio.wait([ticking])

    async def gone() -> bool:
        return not any(thread.name == "watchdog" for thread in threading.enumerate())

    await eventually(gone, "the watching thread ends")
