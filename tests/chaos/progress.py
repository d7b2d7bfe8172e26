"""Sees from outside how far each role has come: the tails of its topics, and the read model."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from runtime.settings import Settings
from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS

TOPIC_BY_ROLE = {"ledger": LEDGER_EVENTS.name, "generation": GENERATION_EVENTS.name}
LOOK_EVERY_SECONDS = 0.05
ASK_TIMEOUT_SECONDS = 5.0


class Progress:
    """Which jobs each role has handled."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: dict[str, set[str]] = {role: set() for role in TOPIC_BY_ROLE}
        self._positions: dict[TopicPartition, int] = {}
        self.intents = 0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Follow both topics from their present end for the length of a block."""
        begun = asyncio.Event()
        tailing = asyncio.create_task(self._tail_for_ever(begun))
        try:
            await begun.wait()
            yield
        finally:
            tailing.cancel()
            with suppress(asyncio.CancelledError):
                await tailing

    async def handled(self, role: str, job_ids: Collection[str]) -> None:
        """Wait until a role has handled these jobs.

        The ledger and the generation have with their first committed event of a job; the
        projections once a row of Postgres shows it.
        """
        wanted = set(job_ids)
        if role == "projections":
            while not await self._shown(wanted):  # noqa: ASYNC110  another process's progress
                await asyncio.sleep(LOOK_EVERY_SECONDS)
            return
        while not wanted <= self._seen[role]:  # noqa: ASYNC110  another process's progress
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def count(self, role: str) -> int:
        """Count the subjects that a role has written of: jobs, and few accounts."""
        return len(self._seen[role])

    async def _shown(self, job_ids: Collection[str]) -> bool:
        url = self._settings.database_url.get_secret_value()
        try:
            async with asyncio.timeout(ASK_TIMEOUT_SECONDS):
                connection = await asyncpg.connect(url)
                try:
                    count = await connection.fetchval(
                        "SELECT count(*) FROM generations WHERE job_id = ANY($1::uuid[])",
                        list(job_ids),
                    )
                finally:
                    connection.terminate()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return int(count) == len(job_ids)

    async def _tail_for_ever(self, begun: asyncio.Event) -> None:
        while True:
            with suppress(KafkaError, OSError):
                await self._tail(begun)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _tail(self, begun: asyncio.Event) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            request_timeout_ms=5000,
            retry_backoff_ms=50,
        )
        roles = {self._settings.namespace + name: role for role, name in TOPIC_BY_ROLE.items()}
        sources = [
            TopicPartition(topic, partition)
            for topic in roles
            for partition in range(self._settings.partition_count)
        ]
        try:
            await consumer.start()
            consumer.assign(sources)
            if not self._positions:
                self._positions = await consumer.end_offsets(sources)
            for source, offset in self._positions.items():
                consumer.seek(source, offset)
            begun.set()
            while True:
                for source, records in (await consumer.getmany(timeout_ms=200)).items():
                    for record in records:
                        self._see(roles[source.topic], dict(record.headers))
                    self._positions[source] = records[-1].offset + 1
        finally:
            await consumer.stop()

    def _see(self, role: str, headers: dict[str, bytes]) -> None:
        self._seen[role].add(headers["ce_subject"].decode())
        self.intents += headers["ce_type"].endswith(b"SubmissionIntended")
