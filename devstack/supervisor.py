"""A set of processes that stays up: start in order, restart what dies, stop in reverse order.

One supervisor holds one state directory. It may be killed itself at any time: the next one finds
what was left running by the pid files, stops it and starts anew on the same data.
"""

import asyncio
import fcntl
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from devstack import records
from devstack.errors import AlreadyRunningError, DevstackError, StopRequestedError
from devstack.processes import Ended, ManagedProcess, start_together
from devstack.records import ProcessRecord, stop_leftovers
from devstack.state import StateFolder

SUPERVISOR = "supervisor"
BACKOFF_SECONDS_FIRST = 0.5
BACKOFF_SECONDS_MAX = 10.0  # below the session timeout of a consumer group (10-15 s)
# 5 s: a process that has served this long has come up well; its next end is a new story.
STEADY_AFTER_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.1
# Each process has its own limit (10 s, the broker 30 s) and they stop together.
STOP_WITHIN_SECONDS = 60.0

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    name: str
    pid: int | None
    address: str
    healthy: bool
    restarts: int
    uptime_seconds: float
    log_path: Path


@dataclass(slots=True)
class _Kept:
    process: ManagedProcess
    restarts: int = 0
    keeper: asyncio.Task[None] | None = field(default=None, repr=False)


def backoff_seconds(failures: int) -> float:
    """Return the pause before the next start; units: seconds, after so many quick ends."""
    return min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_FIRST * 2.0 ** min(failures, 10))


class Supervisor:
    """Keep processes running for as long as the `async with` block lasts."""

    def __init__(
        self, state: StateFolder, *, report: Report = lambda _: None, signals: bool = False
    ) -> None:
        """Prepare to supervise; with `signals`, SIGINT and SIGTERM ask for the end."""
        self._state = state
        self._report = report
        self._signals = (signal.SIGINT, signal.SIGTERM) if signals else ()
        self._stop_requested = asyncio.Event()
        self._stages: list[list[_Kept]] = []
        self._lock: IO[str] | None = None

    async def __aenter__(self) -> Self:
        """Take the state directory and stop what an earlier supervisor left running.

        Raises: AlreadyRunningError while another supervisor holds it.
        """
        self._state.create()
        self._lock = _hold(self._state)
        try:
            for number in self._signals:
                asyncio.get_running_loop().add_signal_handler(number, self.request_stop)
            records.save(self._state, _own_record())
            for name in await stop_leftovers(self._state):
                self._report(f"{name}: stopped what an earlier run had left")
        except BaseException:
            self._let_go()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything, the latest stage first, and give the state directory back."""
        try:
            await self._stop_all()
        finally:
            self._let_go()

    async def start(self, *processes: ManagedProcess) -> None:
        """Start processes beside each other and keep them running from now on.

        Raises: StartError of the first that does not serve in time; StopRequestedError when a
            signal came first. Leaving the `async with` block stops whatever had started.
        """
        await self.start_stages(processes)

    async def start_stages(self, *stages: Sequence[ManagedProcess]) -> None:
        """Start stages as `start` does one, all beside each other; they stop one after the other.

        Raises: as `start`.
        """
        kept_stages = [[_Kept(process) for process in stage] for stage in stages]
        self._stages += kept_stages
        await self._unless_stopped(start_together(tuple(chain.from_iterable(stages))))
        for kept in chain.from_iterable(kept_stages):
            kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {kept.process.name}")

    async def restart(self, name: str) -> Ended:
        """Stop and start one process in order; give how it ended.

        Raises: DevstackError for a name nobody has; StartError when it does not serve again, which
        is then tried again as after any other end.
        """
        kept = next((k for stage in self._stages for k in stage if k.process.name == name), None)
        if kept is None or kept.keeper is None:
            raise DevstackError(f"No process is called {name}; there are {', '.join(self.names)}")
        kept.keeper.cancel()
        await asyncio.gather(kept.keeper, return_exceptions=True)
        try:
            return await kept.process.restart_in_order()
        finally:
            kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {name}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all processes, in the order of their start."""
        return tuple(kept.process.name for stage in self._stages for kept in stage)

    async def status(self) -> tuple[ProcessStatus, ...]:
        """Return one row per process, in the order of their start, each asked now."""
        all_kept = [kept for stage in self._stages for kept in stage]
        health = await asyncio.gather(*(kept.process.healthy() for kept in all_kept))
        return tuple(
            ProcessStatus(
                name=kept.process.name,
                pid=kept.process.pid,
                address=kept.process.address,
                # It may have ended since it was asked.
                healthy=healthy and kept.process.pid is not None,
                restarts=kept.restarts,
                uptime_seconds=kept.process.uptime_seconds,
                log_path=kept.process.log_path,
            )
            for kept, healthy in zip(all_kept, health, strict=True)
        )

    def request_stop(self) -> None:
        """Ask for the end, as SIGTERM does."""
        self._stop_requested.set()

    async def stop_requested(self) -> None:
        """Wait until a signal, or `request_stop`, asks for the end."""
        await self._stop_requested.wait()

    async def _keep(self, kept: _Kept) -> None:
        """Restart a process whenever it has died; never give up, but wait longer each time."""
        process, failures = kept.process, 0
        while True:
            up_seconds = 0.0
            while process.exit_code is None:
                up_seconds = process.uptime_seconds
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            ended = f"{process.name}: ended with exit code {process.exit_code}"
            if not process.restart:
                self._report(f"{ended}; its log is {process.log_path}")
                return
            failures = 0 if up_seconds >= STEADY_AFTER_SECONDS else failures
            pause_seconds = backoff_seconds(failures)
            self._report(f"{ended}; restart in {pause_seconds:g} s; its log is {process.log_path}")
            await asyncio.sleep(pause_seconds)
            failures += 1
            kept.restarts += 1
            try:
                await process.start()
            except DevstackError as error:
                self._report(str(error))

    async def _unless_stopped(self, work: Coroutine[None, None, None]) -> None:
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stop_requested.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise StopRequestedError("Asked to stop while still starting")
            await working
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    def _let_go(self) -> None:
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)
        records.forget(self._state, SUPERVISOR)
        if self._lock is not None:
            self._lock.close()

    async def _stop_all(self) -> None:
        keepers = [kept.keeper for stage in self._stages for kept in stage if kept.keeper]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        failures: list[BaseException] = []
        for stage in reversed(self._stages):
            stops = (kept.process.stop() for kept in stage)
            outcomes = await asyncio.gather(*stops, return_exceptions=True)
            failures += [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            raise failures[0]


async def stop_everything(state: StateFolder) -> tuple[str, ...]:
    """Stop the supervisor of a state directory and all it had started, from another process.

    Raises: DevstackError when one does not end even by force.
    Guarantee: a process whose pid has become another's is left alone.
    """
    running = tuple(record.name for record in records.recorded(state) if record.process())
    # First the supervisor, which stops the others in order and would restart them otherwise.
    supervisor = records.load(state, SUPERVISOR)
    if supervisor is not None:
        await records.stop_recorded(state, supervisor)
    await stop_leftovers(state)
    return running


def _own_record() -> ProcessRecord:
    process = psutil.Process(os.getpid())
    return ProcessRecord(
        name=SUPERVISOR,
        pid=process.pid,
        created_at=process.create_time(),
        argv=tuple(process.cmdline()),
        address="",
        stop_signal=int(signal.SIGTERM),
        stop_within_seconds=STOP_WITHIN_SECONDS,
    )


def _hold(state: StateFolder) -> IO[str]:
    lock = (state.run / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AlreadyRunningError(
            f"Something already runs on {state.path}; `tape down` stops it"
        ) from error
    return lock
