"""Where a fault strikes: the running system, the load on it, and a log of what was done to it."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

import psutil

from tests.chaos.load import Load
from tests.chaos.progress import Progress
from tests.running import RunningSystem

ROLES = ("ledger", "generation", "projections")
# 120 s: long beyond every bar, so that a run says how long it took and not only that it was long.
RECOVERED_SECONDS_MAX = 120.0
LOOK_EVERY_SECONDS = 0.05


@dataclass(slots=True)
class Arena:
    """One run of one fault.

    `hold_seconds`: how long a fault lasts that has a length. `recoveries`: seconds, one per strike.
    `notes`: what else the run's row is to say. `wrong`: what a fault saw that must not be.
    """

    system: RunningSystem
    load: Load
    progress: Progress
    dice: random.Random
    hold_seconds: float
    log: TextIO
    recoveries: list[float] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def say(self, what: str) -> None:
        """Write down what was done to the system, and when."""
        self.log.write(f"{time.monotonic():.3f} {what}\n")
        self.log.flush()

    def count(self, what: str, by: int = 1) -> None:
        self.notes[what] = self.notes.get(what, 0) + by

    async def recovered(self, since: float, roles: Sequence[str] = ROLES) -> None:
        """Post a job in each partition, and wait until each of these roles has handled them all.

        The time from `since` until then is the recovery, as a run's table has it.
        """
        try:
            async with asyncio.timeout(RECOVERED_SECONDS_MAX):
                posted = self.load.one_per_partition(self.system.settings.partition_count)
                ids = set(await asyncio.gather(*(each.accepted for each in posted)))
                self.say(f"accepted after {time.monotonic() - since:.2f} s")
                await asyncio.gather(*(self._handled(role, ids, since) for role in roles))
        except TimeoutError:
            text = f"{', '.join(roles)} had not recovered after {RECOVERED_SECONDS_MAX} s"
            self.wrong.append(text)
        seconds = time.monotonic() - since
        self.recoveries.append(seconds)
        self.say(f"{', '.join(roles)}: recovered after {seconds:.2f} s")

    async def _handled(self, role: str, job_ids: set[str], since: float) -> None:
        await self.progress.handled(role, job_ids)
        self.say(f"{role}: after {time.monotonic() - since:.2f} s")

    async def pause(self, seconds_max: float) -> None:
        """Let a random time go by, so that a strike meets any moment of the work."""
        await asyncio.sleep(self.dice.uniform(0, seconds_max))

    def workers(self, role: str) -> list[str]:
        """Name the processes of a role that run now."""
        run = self.system.state_dir / "run"
        names = [path.stem for path in run.glob("*.pid") if path.stem.split("-")[0] == role]
        return sorted(name for name in names if self.process(name) is not None)

    async def any_worker(self, role: str) -> str:
        """Choose one of a role's processes that run, waiting until there is one."""
        await self.until(lambda: bool(self.workers(role)), f"a {role} runs")
        return self.dice.choice(self.workers(role))

    def process(self, name: str) -> psutil.Process | None:
        """Give a process that is alive; None between its end and its restart."""
        try:
            process = psutil.Process(self.system.pid(name))
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (FileNotFoundError, psutil.NoSuchProcess, ValueError):
            return None

    def kill(self, *names: str) -> float:
        """Send SIGKILL to those of the processes that run; give the moment of it."""
        for name in names:
            process = self.process(name)
            if process is not None:
                os.kill(process.pid, signal.SIGKILL)
                self.say(f"SIGKILL {name} ({process.pid})")
        return time.monotonic()

    async def until(
        self, condition: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = 60.0
    ) -> None:
        """Wait for a condition, asked again and again.

        Raises: AssertionError naming `what` after the deadline.
        """
        give_up_at = time.monotonic() + seconds
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            assert time.monotonic() < give_up_at, f"not within {seconds} s: {what}"
            await asyncio.sleep(LOOK_EVERY_SECONDS)
