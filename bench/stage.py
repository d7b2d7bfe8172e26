"""What a benchmark runs on: a broker and a database of its own, fresh topics and tables per run."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from devstack.account import remove_state
from devstack.ports import LOOPBACK, free_port
from devstack.services import DATABASE_VARIABLE, KAFKA_VARIABLE, Services
from devstack.state import StateFolder
from projections.migrate import migrate
from runtime.database import open_pool
from runtime.settings import Settings
from runtime.topics import ensure_topics, topic_specs

READY_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 20.0
# A developer's own system must not leak into what is measured.
FOREIGN_PREFIXES = ("TAPE", "KAFKA_", "DATABASE_", "OBJECT_", "GOOGLE_", "FAL_", "VERTEX_")


@dataclass(frozen=True, slots=True)
class Plan:
    """How a benchmark is to be run.

    `scale`: of the load; 1 for figures, less for a look. `profile`: whether py-spy records each
    process of ours once, in a round of its own that does not count.
    """

    pairs: int = 5
    scale: float = 1.0
    profile: bool = False

    def amount(self, full: int, least: int = 1) -> int:
        """Scale an amount of load."""
        return max(least, round(full * self.scale))


@dataclass(slots=True)
class Worker:
    """One measured process."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    probe_url: str
    profiler: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_seconds(self) -> float:
        """Give the processor time that the process has taken so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_WITHIN_SECONDS)

    async def ready(self) -> None:
        """Wait until the process' own probe says that it serves.

        Raises: RuntimeError with the end of its log.
        """
        await self.until_answers(f"{self.probe_url}/readyz")

    async def until_answers(self, url: str) -> None:
        """Wait until a URL is answered with a success.

        Raises: RuntimeError with the end of the process' log.
        """
        give_up_at = time.monotonic() + READY_WITHIN_SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while time.monotonic() < give_up_at and self.process.poll() is None:
                with suppress(httpx.HTTPError):
                    if (await client.get(url)).is_success:
                        return
                await asyncio.sleep(0.05)
        raise RuntimeError(f"{self.name} does not serve:\n{self.log.read_text()[-3000:]}")

    def check_alive(self) -> None:
        """Refuse to measure a process that ended.

        Raises: RuntimeError with the end of its log.
        """
        if self.process.poll() is not None:
            raise RuntimeError(
                f"{self.name} ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
            )

    def stop(self) -> None:
        """End the process in order, or by force."""
        if self.profiler is not None:
            with suppress(subprocess.TimeoutExpired):
                self.profiler.send_signal(signal.SIGINT)
                self.profiler.wait(STOP_WITHIN_SECONDS)
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(STOP_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass(slots=True)
class Stage:
    """A running broker and database; every run gets topics and tables of its own."""

    settings: Settings
    results: Path
    _logs: Path = field(default_factory=lambda: Path(mkdtemp(prefix="tapeworks-bench-logs-")))

    async def fresh(self, **changes: object) -> Settings:
        """Give the settings of an empty system; `changes` are fields of Settings.

        Topics are made; tables only by `with_tables`.
        """
        namespace = f"b{uuid4().hex[:8]}."
        fresh = self.settings.model_copy(update={"namespace": namespace, **changes})
        await ensure_topics(fresh)
        await _leaders(fresh)
        return fresh

    async def with_tables(self, settings: Settings) -> Settings:
        """Give the same system an empty, migrated database of its own."""
        name = f"bench_{uuid4().hex[:8]}"
        connection = await asyncpg.connect(self.settings.database_url.get_secret_value())
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        parts = urlsplit(self.settings.database_url.get_secret_value())
        url = urlunsplit(parts._replace(path=f"/{name}"))
        fresh = Settings.model_validate({**settings.model_dump(), "database_url": url})
        pool = await open_pool(fresh, max_size=1)
        try:
            await migrate(pool)
        finally:
            await pool.close()
        return fresh

    def start_worker(
        self,
        module: str,
        settings: Settings,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        profile_as: str | None = None,
    ) -> Worker:
        """Start `python -m module` on these settings; the log is kept until the stage is gone.

        `profile_as`: py-spy records it until it stops, as `<name>.svg` beside the results.
        """
        port = free_port()
        log = self._logs / f"{module}-{uuid4().hex[:6]}.log"
        environment = {**environment_of(settings), "TAPEWORKS_PROBE_PORT": str(port)}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**environment, **(extra or {})},
                stdout=out,
                stderr=out,
            )
        worker = Worker(module, process, log, f"http://{LOOPBACK}:{port}")
        if profile_as is not None:
            worker.profiler = record_profile(process.pid, self.results / f"{profile_as}.svg")
        return worker

    def close(self) -> None:
        shutil.rmtree(self._logs, ignore_errors=True)


async def _leaders(settings: Settings) -> None:
    """Wait until every partition of new topics is led; what is sent before is only refused."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers)
    await consumer.start()
    try:
        await consumer.end_offsets(
            [
                TopicPartition(spec.name, number)
                for spec in topic_specs(settings)
                for number in range(spec.partition_count)
            ]
        )
    finally:
        await consumer.stop()


def environment_of(settings: Settings) -> dict[str, str]:
    """Spell the settings a benchmark may change as environment variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
    return {
        **kept,
        KAFKA_VARIABLE: settings.kafka_bootstrap_servers,
        DATABASE_VARIABLE: settings.database_url.get_secret_value(),
        "OBJECT_STORE_URL": settings.object_store_url,
        "TAPEWORKS_NAMESPACE": settings.namespace,
        "TAPEWORKS_PARTITION_COUNT": str(settings.partition_count),
        "TAPEWORKS_ACTIVE_JOBS_MAX": str(settings.active_jobs_max),
        "TAPEWORKS_SESSION_TIMEOUT_SECONDS": str(settings.session_timeout_seconds),
        "TAPEWORKS_DECISION_WAIT_SECONDS": str(settings.decision_wait_seconds),
        "TAPEWORKS_LOG_LEVEL": "warning",
        "TAPE_ADMIN_KEY": settings.admin_api_key.get_secret_value(),
        "TAPEWORKS_MEDIA_SIGNING_KEY": settings.media_signing_key.get_secret_value(),
        "TAPEWORKS_HTTP_PORT": str(settings.http_port),
    }


def record_profile(pid: int, path: Path) -> subprocess.Popen[bytes]:
    """Have py-spy draw where a process spends its time, until it is interrupted."""
    program = Path(sys.executable).with_name("py-spy")
    return subprocess.Popen(
        [
            str(program),
            "record",
            "--threads",
            "--rate",
            "250",
            "--pid",
            str(pid),
            "--output",
            str(path),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@asynccontextmanager
async def open_stage(results: Path) -> AsyncIterator[Stage]:
    """Start a broker and a database on free ports; stop and remove them afterwards."""
    state = StateFolder(Path(mkdtemp(prefix="tapeworks-bench-")))
    try:
        async with Services(state, environ={}, free_ports=True) as services:
            environment = services.environment()
            settings = Settings.model_validate(
                {
                    "kafka_bootstrap_servers": environment[KAFKA_VARIABLE],
                    "database_url": environment[DATABASE_VARIABLE],
                    "object_store_url": environment["OBJECT_STORE_URL"],
                }
            )
            stage = Stage(settings, results)
            try:
                yield stage
            finally:
                stage.close()
    finally:
        remove_state(state)
