"""The one place where Faust meets the rest: apps on the hardened transport, workers with probes.

Faust declares, runs, scales and observes the agents; what is written, and that it is written once,
is the lanes' part (decision 0003).
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

import faust
import uvloop
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from runtime.broker_clock import BrokerClock
from runtime.broker_wait import wait_for_broker
from runtime.event_log.program import InputRecord
from runtime.exits import die
from runtime.garbage import collect_seldom
from runtime.logs import configure_logs, logger
from runtime.probes import start_probes
from runtime.settings import Settings
from runtime.transport import HardenedTransport
from runtime.watchdog import Watchdog

log = logger(__name__)
# 3 s: a third or less of the session's time-out.
HEARTBEAT_SECONDS = 3.0
# A message carries up to the 500 records of one fetch: 8 keep a lane busy while the next ones come.
STREAM_MESSAGES_MAX = 8


class Lanes(Protocol):
    """What takes the records of a worker's partitions."""

    @property
    def ready(self) -> bool:
        """Whether every partition of the last assignment is served."""
        ...

    async def assigned(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Serve these partitions from now on."""
        ...

    async def start_offsets(
        self, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], int]:
        """Say where to read on, for partitions whose offsets are not kept by the broker."""
        ...

    async def revoked(self) -> None:
        """Bring what is in hand to its end and serve nothing."""
        ...

    async def put(self, partition: int, record: InputRecord) -> None:
        """Take one record; waits while its partition is behind."""
        ...


class TapeApp(faust.App):  # type: ignore[misc]  # untyped base
    """A Faust app on the hardened transport whose agents feed lanes."""

    lanes: Lanes
    clock: BrokerClock
    instance_id: str

    def _new_transport(self) -> HardenedTransport:
        return HardenedTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> HardenedTransport:
        return HardenedTransport(self.conf.broker_producer, self)

    async def on_first_start(self) -> None:
        """Learn the time before anything else begins."""
        try:
            await self.clock.follow()
        except Exception as error:  # noqa: BLE001  whatever it is: no deadline can be told
            die(f"the broker cannot be asked for the time: {error!r}")
        await super().on_first_start()

    async def start_offsets(self, assignment: Iterable[TP]) -> dict[TP, int]:
        """Ask the lanes where each partition is to be read on."""
        offsets = await self.lanes.start_offsets([(tp.topic, tp.partition) for tp in assignment])
        return {TP(topic, partition): offset for (topic, partition), offset in offsets.items()}

    async def on_stop(self) -> None:
        """Let the lanes end in order before Faust takes the consumer down."""
        await self.lanes.revoked()
        await super().on_stop()


class _NoTables(TableManager):  # type: ignore[misc]  # untyped base
    """Starts at once: we have no tables, for which that of faust-streaming 0.15.3 waits 1 s."""

    _recovery: "_Resumption | None"

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> "_Resumption":
        """What lets records flow again after a rebalance."""
        if self._recovery is None:
            self._recovery = _Resumption(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class _Resumption(Recovery):  # type: ignore[misc]  # untyped base
    """Resumes the streams after a rebalance, unless the next one has begun.

    Faust looks for a next one before it seeks, and resumes after: with one that began in between,
    records flow while partitions change owners, and some are passed over (decision 0039).
    """

    _rebalance = 0

    async def on_rebalance(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  passed through
        # The next one cannot have begun: the consumer waits for the end of this.
        self._rebalance = self.app.rebalancing_count
        await super().on_rebalance(*args, **options)

    async def _resume_streams(self, generation_id: int = 0) -> None:
        app, consumer = self.app, self.app.consumer
        rebalance = self._rebalance
        await app.on_rebalance_complete.send()
        assignment = consumer.assignment()
        if app.consumer_generation_id != generation_id or app.rebalancing_count != rebalance:
            return
        if assignment:
            consumer.resume_partitions(assignment)
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        if app.rebalancing_count != rebalance:
            return
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001  as Faust's own does
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()


def create_app(name: str, settings: Settings, topics: Iterable[str], lanes: Lanes) -> TapeApp:
    """Make the Faust app of one processor: one agent per input topic, all feeding `lanes`."""
    brokers = ";".join(
        f"kafka://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")
    )
    app = TapeApp(
        f"{settings.namespace}{name}",
        broker=brokers,
        processing_guarantee="at_least_once",
        store="memory://",
        # Faust makes this folder at every start; with stores in memory nothing is ever put there.
        datadir=Path(gettempdir()) / "tapeworks-faust",
        key_serializer="raw",
        value_serializer="raw",
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=min(HEARTBEAT_SECONDS, settings.session_timeout_seconds / 3),
        broker_request_timeout=30.0,
        broker_rebalance_timeout=60.0,
        broker_max_poll_records=500,
        broker_commit_interval=1.0,
        stream_buffer_maxsize=STREAM_MESSAGES_MAX,
        stream_wait_empty=True,
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        TableManager=_NoTables,
        producer_request_timeout=30.0,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    app.lanes = lanes
    app.clock = BrokerClock(settings)
    app.instance_id = settings.instance_id
    for topic in topics:
        _feed(app, f"{settings.namespace}{topic}", topic)
    app.on_partitions_assigned.connect(_on_assigned)
    app.on_partitions_revoked.connect(_on_revoked)
    return app


def _feed(app: TapeApp, topic: str, name: str) -> None:
    # acks off: the offsets are committed with what follows from the records, by the lanes.
    channel = app.topic(topic, acks=False, key_serializer="raw", value_serializer="raw")

    async def feed(stream: Any) -> None:  # noqa: ANN401  Faust's own types
        async for event in stream.events():
            message = event.message
            try:
                for record in _input_records(message):
                    await app.lanes.put(message.partition, record)
            except Exception as error:  # noqa: BLE001  Faust would acknowledge and go on (F1)
                die(f"{message.topic}[{message.partition}] up to {message.offset}: {error!r}")

    app.agent(channel, name=f"{app.conf.id}.{name}", concurrency=1)(feed)


def _input_records(message: Any) -> Iterator[InputRecord]:  # noqa: ANN401  Faust's own types
    """Give the records that one message of the hardened transport carries."""
    previous_offset = message.previous_offset
    for record in message.records:
        yield InputRecord(
            topic=record.topic,
            offset=record.offset,
            previous_offset=previous_offset,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers or ()),
        )
        previous_offset = record.offset


async def _on_assigned(app: TapeApp, assigned: set[TP], **_: object) -> None:
    await app.lanes.assigned((tp.topic, tp.partition) for tp in assigned)


async def _on_revoked(app: TapeApp, *_: object, **__: object) -> None:
    await app.lanes.revoked()


def run_worker(name: str, app: TapeApp, settings: Settings) -> None:
    """Run one app until SIGTERM or SIGINT; never returns otherwise."""
    configure_logs(name, settings.log_level)
    # For this thread's loop and for that of the consumer's own thread.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    watchdog = Watchdog(die)
    ticking: list[asyncio.Task[None]] = []

    async def start_watchdog() -> None:
        ticking.append(asyncio.create_task(watchdog.tick()))

    app.task(start_watchdog)
    server = start_probes(
        settings.http_host, settings.probe_port, lambda: {"lanes": app.lanes.ready}
    )
    collect_seldom()
    log.info("worker_starts", worker=name, probe_port=server.server_address[1])
    # If none comes, the start below says what is wrong and ends.
    wait_for_broker(settings.kafka_bootstrap_servers)
    worker = faust.Worker(
        app, loglevel=logging.WARNING, override_logging=False, redirect_stdouts=False, debug=False
    )
    worker.execute_from_commandline()
