"""Looks at a topic from outside: how many committed records, when the last one was written."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime.settings import Settings


@asynccontextmanager
async def reader_of(settings: Settings, topic: str) -> AsyncIterator["TopicReader"]:
    """Open a reader of the committed records of a topic, named without the namespace."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(settings.namespace + topic, n) for n in range(settings.partition_count)
        ]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        yield TopicReader(consumer, partitions)
    finally:
        await consumer.stop()


class TopicReader:
    """Reads one topic on, from its beginning."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        self.records: list[ConsumerRecord] = []
        self._consumer = consumer
        self._partitions = partitions

    async def end(self) -> int:
        """Give the sum of the ends: records and transaction markers; one small request."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def read_on(self) -> None:
        """Read everything that is committed now."""
        ends = await self._consumer.end_offsets(self._partitions)
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                batches = await self._consumer.getmany(timeout_ms=200)
                for batch in batches.values():
                    self.records.extend(batch)

    async def until(
        self, count: int, alive: Callable[[], None], within_seconds: float = 180.0
    ) -> None:
        """Wait until so many records are committed, and keep them in `records`.

        Asks for the ends only, 20 times a second, until there can be enough: the reader is not to
        take the processor from what is measured.
        Raises: TimeoutError with what was found; whatever `alive` raises.
        """
        give_up_at = time.monotonic() + within_seconds
        while len(self.records) < count:
            alive()
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"{len(self.records)} of {count} records in {within_seconds} s")
            await asyncio.sleep(0.05)
            if await self.end() >= count:
                await self.read_on()


async def group_lag(settings: Settings, group_id: str, topic: str) -> int:
    """Give the records of a topic that a consumer group has not committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group_id)
    finally:
        await admin.close()
    async with reader_of(settings, topic) as reader:
        end = await reader.end()
    name = settings.namespace + topic
    return end - sum(o.offset for partition, o in offsets.items() if partition.topic == name)


async def until_no_lag(
    settings: Settings, group_id: str, topic: str, within_seconds: float = 20.0
) -> int:
    """Wait until a group has committed a topic to its end; give the lag that is left."""
    give_up_at = time.monotonic() + within_seconds
    while True:
        lag = await group_lag(settings, group_id, topic)
        if not lag or time.monotonic() > give_up_at:
            return lag
        await asyncio.sleep(0.2)
