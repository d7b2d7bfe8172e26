"""One process of this machine: start it, know when it serves, stop it, show its log when not.

Knows nothing of Kafka, Postgres or our own services, and nothing of restarts (`supervisor.py`).
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from devstack import records
from devstack.errors import DevstackError, StartError
from devstack.http_probe import expect_answer
from devstack.listening import LISTEN_VARIABLE, REPLACES_VARIABLE, listening_socket
from devstack.ports import LOOPBACK, is_free
from devstack.records import ProcessRecord
from devstack.state import StateFolder

# Returns when the process serves; raises while it does not, and the error's text says why not.
Probe = Callable[[], Awaitable[None]]
Preparation = Callable[[], Awaitable[None]]

PROBE_EVERY_SECONDS = 0.1
PROBE_WITHIN_SECONDS = 5.0  # one attempt; a process that accepts and then hangs is asked again


async def at_once() -> None:
    """Say yes: the probe or preparation of a process that needs none."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its code, negative for a signal, None if none ran; and in which time."""

    exit_code: int | None
    seconds: float


def _ended(popen: "subprocess.Popen[bytes] | None", asked_at: float) -> Ended:
    return Ended(None if popen is None else popen.returncode, time.monotonic() - asked_at)


class ManagedProcess:
    """A process in a session of its own, with its log, its pid file and its readiness."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        state: StateFolder,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: int | None = None,
        group: int | None = None,
        ready: Probe | str = at_once,
        prepare: Preparation = at_once,
        address: str = "",
        ports: Sequence[int] = (),
        listens_on: int | None = None,
        restart: bool = True,
        ready_within_seconds: float = 30.0,
        stop_within_seconds: float = 10.0,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Describe the process; nothing is started yet.

        `env` is the whole environment, by default ours. `ready` is a probe or a URL. `prepare`
        runs before each start. `address` is only shown. `ports` are what it will listen on: were
        one taken, the stranger there might answer the probe. `listens_on` is a port that is opened
        here and handed down, so that one process can replace another there. `restart` is for the
        supervisor.
        """
        self.name = name
        self.argv = tuple(argv)
        self.address = address
        self.restart = restart
        self.log_path = state.log(name)
        self.pid_path = state.pid(name)
        self._state = state
        self._ports = tuple(ports)
        self._listens_on = listens_on
        self._listening: socket.socket | None = None
        self._env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._user = user
        self._group = group
        self._probe = self._http_probe(ready) if isinstance(ready, str) else ready
        self._prepare = prepare
        self._ready_within_seconds = ready_within_seconds
        self._stop_within_seconds = stop_within_seconds
        self._stop_signal = stop_signal
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen is not None and self.exit_code is None else None

    @property
    def exit_code(self) -> int | None:
        """Return how the process ended; negative is the signal; nothing while it runs."""
        return self._popen.poll() if self._popen is not None else None

    @property
    def uptime_seconds(self) -> float:
        return time.monotonic() - self._started_at if self.pid is not None else 0.0

    async def start(self) -> None:
        """Start the process and wait until it serves.

        Raises: StartError with the end of its log, after what had started is stopped again.
        """
        self._state.create()
        self._log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        for port in self._ports:
            if self._listening is None and not is_free(port):
                raise self._error(f"another program listens on port {port} of {LOOPBACK}")
        if self._listens_on is not None and self._listening is None:
            self._listening = listening_socket(self._listens_on)
        await self._prepared()
        self._spawn()
        try:
            await self._record()
            await self._wait_ready()
        except BaseException:
            await self.stop()
            raise

    async def restart_in_order(self) -> "Ended":
        """Stop the process and start it again; give how it ended.

        One that is handed its port is stopped only once the next one serves there.
        Raises: StartError when the next one does not serve; one that is handed its port goes on.
        """
        before, asked_at = self._popen, time.monotonic()
        if self._listening is None:
            await self.stop()
            ended = _ended(before, asked_at)
            await self.start()
            return ended
        self._log_from = self.log_path.stat().st_size
        self._spawn({REPLACES_VARIABLE: "true"})
        try:
            await self._record()
            await self._wait_ready()
        except BaseException:
            await self._end(self._popen)
            self._popen = before
            await self._record()
            raise
        asked_at = time.monotonic()
        await self._end(before)
        return _ended(before, asked_at)

    async def stop(self) -> None:
        """Stop the process, by force when it does not end in time; harmless when it has ended.

        Raises: DevstackError when it does not end even by force.
        """
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if self._popen is None:
            return
        await self._end(self._popen)
        records.forget(self._state, self.name)

    async def _end(self, popen: subprocess.Popen[bytes] | None) -> None:
        if popen is None or popen.poll() is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            await records.stop_process(
                psutil.Process(popen.pid),
                with_signal=self._stop_signal,
                within_seconds=self._stop_within_seconds,
            )
        popen.wait(timeout=self._stop_within_seconds)

    async def healthy(self) -> bool:
        """Tell whether the process runs and serves now."""
        return self.pid is not None and await self._unready_because() is None

    async def _prepared(self) -> None:
        try:
            await self._prepare()
        except DevstackError:
            raise
        except Exception as error:
            raise self._error(f"preparing it failed: {type(error).__name__}: {error}") from error

    def _spawn(self, extra: Mapping[str, str] | None = None) -> None:
        environment = {**self._env, **(extra or {})}
        handed_down: tuple[int, ...] = ()
        if self._listening is not None:
            handed_down = (self._listening.fileno(),)
            environment[LISTEN_VARIABLE] = str(self._listening.fileno())
        with self.log_path.open("ab") as log:
            try:
                self._popen = subprocess.Popen(  # noqa: S603  the arguments are our own
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    pass_fds=handed_down,
                    cwd=self._cwd,
                    user=self._user,
                    group=self._group,
                    extra_groups=None if self._user is None else (),
                    start_new_session=True,  # Ctrl-C in the terminal is the supervisor's business
                )
            except OSError as error:
                raise self._error(str(error)) from error
        self._started_at = time.monotonic()

    async def _record(self) -> None:
        # The command line as the system shows it: a script's begins with its interpreter, and
        # for some microseconds of a program's beginning it is still empty.
        while (pid := self.pid) is not None:
            try:
                process = psutil.Process(pid)
                created_at, argv = process.create_time(), tuple(process.cmdline())
            except psutil.NoSuchProcess:
                return  # it has ended, as the wait will say
            if argv:
                record = ProcessRecord(
                    self.name,
                    pid,
                    created_at,
                    argv,
                    self.address,
                    int(self._stop_signal),
                    self._stop_within_seconds,
                )
                records.save(self._state, record)
                return
            await asyncio.sleep(0)

    async def _wait_ready(self) -> None:
        give_up_at = time.monotonic() + self._ready_within_seconds
        while True:
            asking = asyncio.create_task(self._unready_because())
            try:
                # An end is seen at once, and also when a stranger answered in our place.
                while not asking.done() and self.exit_code is None:
                    await asyncio.wait({asking}, timeout=PROBE_EVERY_SECONDS)
                if self.exit_code is not None:
                    raise self._error(f"it ended with exit code {self.exit_code}")
            finally:
                asking.cancel()
            reason = asking.result()
            if reason is None:
                return
            if time.monotonic() > give_up_at:
                raise self._error(f"not ready within {self._ready_within_seconds:g} s ({reason})")
            await asyncio.sleep(PROBE_EVERY_SECONDS)

    async def _unready_because(self) -> str | None:
        try:
            async with asyncio.timeout(PROBE_WITHIN_SECONDS):
                await self._probe()
        except Exception as error:  # noqa: BLE001  whatever it is stands in the error at the end
            return f"{type(error).__name__}: {error}"
        return None

    def _http_probe(self, url: str) -> Probe:
        return lambda: expect_answer(url, self.pid, PROBE_WITHIN_SECONDS)

    def _error(self, reason: str) -> StartError:
        return StartError(self.name, reason, self.log_path, self._log_from)


async def start_together(processes: Sequence[ManagedProcess]) -> None:
    """Start processes beside each other and wait until all serve.

    Raises: the first StartError, after the others are stopped again, as on cancellation.
    """
    starts = [asyncio.create_task(process.start()) for process in processes]
    try:
        await asyncio.gather(*starts)
    except BaseException:
        for start in starts:
            start.cancel()
        await asyncio.gather(*starts, return_exceptions=True)
        await asyncio.gather(*(process.stop() for process in processes))
        raise
