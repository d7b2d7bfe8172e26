"""An event loop whose time is a number and whose order is a seed's.

Every callback belongs to a process of the simulated system; a process that is killed gets none of
its callbacks any more, so that its tasks stop where they stand, as under SIGKILL.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

RUNNING, FROZEN, DEAD = 0, 1, 2


class DiedError(BaseException):
    """What unwinds the stack of a process that ended itself."""


class Process:
    """Whoever callbacks belong to: a worker, or the world around the workers."""

    __slots__ = ("name", "on_death", "parked", "state")

    def __init__(self, name: str, on_death: Callable[[str], None] | None = None) -> None:
        self.name = name
        self.state = RUNNING
        self.parked: list[Handle] = []
        self.on_death = on_death

    def kill(self, reason: str) -> None:
        """End it where it stands."""
        if self.state != DEAD:
            self.state = DEAD
            self.parked.clear()
            if self.on_death is not None:
                self.on_death(reason)


class Handle:
    """One callback that is due."""

    __slots__ = ("args", "callback", "owner")

    def __init__(self, owner: Process, callback: Any, args: tuple[Any, ...]) -> None:
        self.owner = owner
        self.callback = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None


class LivelockError(Exception):
    """The world took more steps than any healthy run does."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in an order drawn from a seed; time jumps to the next one that is due."""

    def __init__(self, random: Random, world: Process) -> None:
        self.now = 0.0
        self.steps = 0
        self.owner = world
        self.world = world
        # Called with the handle that is about to run when `steps` reaches `fault_at_step`.
        self.fault_at_step = -1
        self.on_fault: Callable[[Handle], None] = lambda _: None
        self.problems: list[str] = []
        self.closed = False
        self._random = random
        self._ready: list[Handle] = []
        self._timers: list[tuple[float, int, Handle]] = []
        self._timer_count = 0
        self._stopping = False

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Handle:  # type: ignore[override]
        handle = Handle(self.owner, callback, args)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Handle:  # type: ignore[override]
        handle = Handle(self.owner, callback, args)
        self._timer_count = count = self._timer_count + 1
        heapq.heappush(self._timers, (when, count, handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Handle:  # type: ignore[override]
        return self.call_at(self.now + delay, callback, *args)

    def world_at(self, when: float, callback: Any, *args: Any) -> Handle:
        """Have the world do something, whatever becomes of the process that asked for it."""
        handle = Handle(self.world, callback, args)
        self._timer_count = count = self._timer_count + 1
        heapq.heappush(self._timers, (when, count, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Any = None
    ) -> "asyncio.Task[Any]":
        return asyncio.Task(coro, loop=self, name=name or "task")

    def start(self, process: Process, coro: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Begin a task of another process than the one at work."""
        before, self.owner = self.owner, process
        try:
            return self.create_task(coro)
        finally:
            self.owner = before

    def resolve(
        self,
        process: Process,
        future: "asyncio.Future[Any]",
        result: Any,
        error: Exception | None = None,
    ) -> None:
        """Answer what a process waits for; a killed one waits for nothing any more."""
        if process.state == DEAD or future.done():
            return
        before, self.owner = self.owner, process
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
        self.owner = before

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on where it stood."""
        if process.state == FROZEN:
            process.state = RUNNING
            self._ready.extend(process.parked)
            process.parked.clear()

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.closed

    def is_closed(self) -> bool:
        return self.closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Take down what a task ended in unseen; a task of a killed process says nothing."""
        error = context.get("exception")
        if self.closed or error is None or isinstance(error, DiedError):
            return
        self.problems.append(f"a task ended unseen in {error!r}")

    def stop(self) -> None:
        self._stopping = True

    def run(self, steps_max: int) -> None:
        """Run until `stop`, or until nothing is due any more.

        Raises: LivelockError after `steps_max` callbacks.
        """
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            self._run(steps_max)
        finally:
            asyncio._set_running_loop(before)

    def _run(self, steps_max: int) -> None:
        ready, timers, draw, heappop = self._ready, self._timers, self._random.random, heapq.heappop
        steps = self.steps
        while not self._stopping:
            if not ready and not self._advance():
                return
            now = self.now
            while timers and timers[0][0] <= now:
                ready.append(heappop(timers)[2])
            count = len(ready)
            if count > 1:
                index = int(draw() * count)
                ready[index], ready[-1] = ready[-1], ready[index]
            handle = ready.pop()
            callback = handle.callback
            if callback is None:
                continue
            owner = handle.owner
            self.steps = steps = steps + 1
            if steps >= self.fault_at_step > 0:
                self.on_fault(handle)
            if owner.state:
                if owner.state == FROZEN:
                    owner.parked.append(handle)
                continue
            if steps > steps_max:
                raise LivelockError(f"{steps} steps, and at {now:.3f} s still no end")
            self.owner = owner
            callback(*handle.args)

    def _advance(self) -> bool:
        """Jump to the next timer that still counts; say whether there is one."""
        timers = self._timers
        while timers:
            if timers[0][2].callback is not None:
                self.now = max(self.now, timers[0][0])
                return True
            heapq.heappop(timers)
        return False
