"""Who may call a provider now: its places, shared out in turns, behind its circuit breaker.

One gate per provider and worker, shared by all lanes. A job that waits here is an entry in a queue,
not a task, and has used up none of its attempts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Literal

from domain import retry_budget
from domain.breaker import (
    Breaker,
    BreakerLimits,
    abandoned,
    answered,
    called,
    failed,
    wait_seconds,
)
from domain.failures import ProviderFault
from domain.retry_budget import RetryBudget
from processors.fair_queue import FairQueue
from runtime import metrics
from runtime.logs import logger

log = logger(__name__)
CallKind = Literal["read", "order", "retry"]
# As the probe after an outage a question costs nothing; an order may be lost, a retry the last.
PROBE_KINDS: tuple[CallKind, ...] = ("read", "order", "retry")
# Among orders those that wait the longest, of which the budget lets few through.
KINDS: tuple[CallKind, ...] = ("read", "retry", "order")
STATE_NUMBERS = {"closed": 0, "half_open": 1, "open": 2}
# 10 s: what a step in hand waits for a place at most, so that no step outlasts its job by much.
PLACE_SECONDS_MAX = 10.0
_numbers = count()


class ProviderPausedError(Exception):
    """The breaker is not closed: whoever cannot wait is told so at once."""


class Place:
    """The right to make one call; to be given back, with what came of it if one was made."""

    __slots__ = ("_gate", "_kind", "_told", "_turn")

    def __init__(self, gate: "ProviderGate", kind: CallKind, turn: int) -> None:
        self._gate = gate
        self._kind = kind
        self._turn = turn
        self._told = False

    def told(self, fault: ProviderFault | None) -> None:
        """Say how the call went, and give the place back; once."""
        if not self._told:
            self._told = True
            self._gate.ended(self._kind, self._turn, called=True, fault=fault)

    def release(self) -> None:
        """Give the place back; without a word before, no call was made or it did not end."""
        if not self._told:
            self._told = True
            self._gate.ended(self._kind, self._turn, called=False, fault=None)


Start = Callable[[str, Place], None]


class ProviderGate:
    """Hands out one provider's places.

    Guarantee: no call begins while the breaker is open but its one probe (I38).
    """

    def __init__(self, provider: str, places_max: int, limits: BreakerLimits) -> None:
        self._provider = provider
        self._limits = limits
        self._breaker = Breaker()
        self._budget = RetryBudget()
        self._waiting: dict[CallKind, FairQueue[Start]] = {kind: FairQueue() for kind in KINDS}
        # Apart: orders that hang must not keep anybody from asking about work that is done.
        self._free = {"read": places_max, "order": places_max}
        self._again: asyncio.TimerHandle | None = None
        self._show()

    @property
    def breaker(self) -> Breaker:
        """Give the breaker as it is."""
        return self._breaker

    def waiting(self, kind: CallKind) -> int:
        """Count who waits."""
        return len(self._waiting[kind])

    def ask(self, kind: CallKind, account_id: str, key: str, start: Start) -> None:
        """Have `start` called with the key and a place, at once or when it is this one's turn."""
        self._waiting[kind].put(account_id, key, start)
        self._pump()

    def withdraw(self, kind: CallKind, account_id: str, key: str) -> bool:
        """Wait no longer; False if the place was given."""
        return self._waiting[kind].withdraw(account_id, key)

    @asynccontextmanager
    async def place(self, account_id: str) -> AsyncIterator[Place]:
        """Take a place for a read in the midst of a step.

        Raises: ProviderPausedError while the breaker is not closed, and if none is free in 10 s.
        """
        if self._breaker.state != "closed":
            raise ProviderPausedError(f"{self._provider} is left alone after failures")
        try:
            async with asyncio.timeout(PLACE_SECONDS_MAX):
                place = await self._given(account_id)
        except TimeoutError:
            raise ProviderPausedError(f"{self._provider} has no place free") from None
        try:
            yield place
        finally:
            place.release()

    async def _given(self, account_id: str) -> Place:
        given: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        key = f"step/{next(_numbers)}"

        def start(_: str, place: Place) -> None:
            # A wait that was cancelled in this very turn of the loop leaves its place to others.
            if given.done():
                place.release()
            else:
                given.set_result(place)

        self.ask("read", account_id, key, start)
        try:
            return await given
        except asyncio.CancelledError:
            given_up = self.withdraw("read", account_id, key) or given.cancelled()
            if not given_up:
                given.result().release()
            raise

    def ended(
        self, kind: CallKind, turn: int, *, called: bool, fault: ProviderFault | None
    ) -> None:
        """Take a place back and learn from the call."""
        self._free[_lot(kind)] += 1
        now = asyncio.get_running_loop().time()
        before = self._breaker
        if not called:
            self._breaker = abandoned(before, turn, now)
        elif fault is not None and out_of_order(fault):
            self._breaker = failed(before, turn, now, self._limits)
        else:
            self._breaker = answered(before, turn, now)
        self._note(before, fault)
        self._pump()

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while ready := [kind for kind in KINDS if self._waiting[kind] and self._free[_lot(kind)]]:
            now = loop.time()
            wait = wait_seconds(self._breaker, now)
            if wait is None:
                return
            if wait == 0 and ready == ["retry"]:
                wait = retry_budget.wait_seconds(self._budget, now)
            if wait > 0:
                self._again = loop.call_later(wait, self._pump)
                return
            self._begin(self._next_of(ready, now), now)

    def _next_of(self, ready: Sequence[CallKind], now: float) -> CallKind:
        """Choose whose turn it is; of reads and orders those with more places free."""
        if retry_budget.wait_seconds(self._budget, now) > 0:
            ready = [kind for kind in ready if kind != "retry"]
        if self._breaker.state == "open":
            return next(kind for kind in PROBE_KINDS if kind in ready)
        return max(ready, key=lambda kind: self._free[_lot(kind)])

    def _begin(self, kind: CallKind, now: float) -> None:
        before = self._breaker
        self._breaker = called(before, now)
        self._note(before, None)
        if kind == "retry":
            self._budget = retry_budget.spent(self._budget, now)
        elif kind == "order":
            self._budget = retry_budget.earned(self._budget, now)
        self._free[_lot(kind)] -= 1
        key, start = self._waiting[kind].pop()
        start(key, Place(self, kind, self._breaker.turn))

    def _note(self, before: Breaker, fault: ProviderFault | None) -> None:
        after = self._breaker
        if after.state == before.state:
            return
        self._show()
        metrics.breaker_changes.labels(self._provider, after.state).inc()
        log.warning(
            "breaker_changed",
            provider=self._provider,
            state=after.state,
            before=before.state,
            failures=after.failures,
            status=fault.status if fault else None,
            code=fault.code if fault else None,
        )

    def _show(self) -> None:
        number = STATE_NUMBERS[self._breaker.state]
        metrics.breaker_state.labels(self._provider).set(number)


def _lot(kind: CallKind) -> Literal["read", "order"]:
    """Say whose places a call takes: a retry is an order."""
    return "read" if kind == "read" else "order"


def out_of_order(fault: ProviderFault) -> bool:
    """Say whether a fault speaks of the provider as a whole, not of one job or our account."""
    return fault.kind == "transient" and fault.lacks is None
