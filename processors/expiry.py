"""Lets idempotency keys and ended jobs be forgotten when their time is over: state stays small."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.ledger_state import EndedJob, KeyUse, is_expired
from runtime.clock import Clock, utc_now
from runtime.event_log.program import LaneClosedError, LaneHandle
from schemas.envelope import Envelope

# The kinds of state that end by themselves: what their keys begin with.
ENDED, KEY = "ended", "key"
ENDING_PREFIXES = (f"{ENDED}/", f"{KEY}/")
# 60 s late at most: against 72 h and 30 days it does not matter, and an idle ledger writes nothing.
SWEEP_SECONDS = 60.0
# 500: one transaction's worth; a sweep goes on until no ended key is left.
KEYS_PER_COMMAND_MAX = 500
# 500: some 2 ms of decoding, after which the lane has its turn.
KEYS_LEARNED_AT_ONCE = 500
# 1 h: the sweep goes by this worker's clock, the keys by the times in their requests; a repeat that
# was in time must find its key although the ledger is behind or a clock is ahead.
MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Forget:
    """The time of these records was over at `at`; one that began anew since stays."""

    keys: tuple[str, ...]
    at: datetime


class Expiry:
    """Keeps what ends by itself in one lane, in order of its end."""

    def __init__(
        self,
        lane: LaneHandle,
        *,
        clock: Clock = utc_now,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._lane = lane
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._by_end: list[tuple[float, str]] = []
        self._task: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """Begin to learn everything that ends from the lane's states, and to sweep."""
        keys = [key for key in self._lane.states if key.startswith(ENDING_PREFIXES)]
        self._task = asyncio.create_task(self._run(keys))

    def committed(self, changed: Mapping[str, object | None], written: Sequence[Envelope]) -> None:
        """Learn what is new."""
        del written
        for key, state in changed.items():
            self._note(key, state)

    async def close(self) -> None:
        """Stop sweeping."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, keys: Sequence[str]) -> None:
        await self._learn(keys)
        await self._sweep()

    async def _learn(self, keys: Sequence[str]) -> None:
        """Look states up beside the lane's work, which need not wait for this."""
        for first in range(0, len(keys), KEYS_LEARNED_AT_ONCE):
            for key in keys[first : first + KEYS_LEARNED_AT_ONCE]:
                self._note(key, self._lane.states.look(key))
            await asyncio.sleep(0)

    def _note(self, key: str, state: object | None) -> None:
        if isinstance(state, KeyUse | EndedJob):
            heapq.heappush(self._by_end, (state.expires_at.timestamp(), key))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            now = self._clock() - MARGIN
            try:
                while keys := self._ended(now):
                    await self._lane.decide(Forget(tuple(keys), now))
            except LaneClosedError:
                return

    def _ended(self, now: datetime) -> list[str]:
        # In order, and each once: what changed while it was being learned has two entries.
        keys: dict[str, None] = {}
        while self._by_end and len(keys) < KEYS_PER_COMMAND_MAX:
            if self._by_end[0][0] > now.timestamp():
                break
            _, key = heapq.heappop(self._by_end)
            # A key that was used again since has a later end, and an entry of its own.
            state = self._lane.states.look(key)
            if isinstance(state, KeyUse | EndedJob) and is_expired(state, now):
                keys[key] = None
        return list(keys)
