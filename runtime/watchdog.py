"""Ends a process whose event loop stands still: a stuck worker would keep its partitions for ever.

Faust's Kafka client heartbeats from a thread of its own, so the broker never notices (finding F44).
"""

import asyncio
import faulthandler
import threading

from runtime.clock import monotonic_seconds
from runtime.exits import Die

TICK_SECONDS = 1.0
# 10 s: longer than any step of ours holds the loop (500 decisions take some 50 ms).
STALL_SECONDS_MAX = 10.0


class Watchdog:
    """Watches one event loop from a thread."""

    def __init__(self, die: Die, stall_seconds_max: float = STALL_SECONDS_MAX) -> None:
        self._die = die
        self._stall_seconds_max = stall_seconds_max
        self._ticked_at = monotonic_seconds()
        self._stopped = threading.Event()

    async def tick(self) -> None:
        """Show that the loop runs, until cancelled; also starts the watching thread."""
        self._ticked_at = monotonic_seconds()
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            while True:
                # A process that stood still as a whole may get here before the thread looks.
                self._look()
                self._ticked_at = monotonic_seconds()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self._look()

    def _look(self) -> None:
        stalled = monotonic_seconds() - self._ticked_at
        if stalled > self._stall_seconds_max:
            faulthandler.dump_traceback(all_threads=True)
            self._die(f"the event loop stood still for {stalled:.1f} s")
