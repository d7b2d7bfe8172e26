"""Follows the public topics as any other team would: committed records, no group."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.settings import Settings
from schemas.codec import ContractError, decode
from schemas.envelope import Envelope
from schemas.topics import PUBLIC_TOPICS

# 20 ms: nobody sees it, and it is longer than a transaction takes.
SETTLE_MS = 20


@asynccontextmanager
async def open_tail(
    settings: Settings, *, from_start: bool = False
) -> AsyncIterator[AsyncIterator[Envelope]]:
    """Follow all public topics from now on, or from their beginning.

    Guarantee: events of one account and topic come in order; unreadable records are passed over
    (their dead letters are kept by the processors).
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        # 20 ms: a person watches.
        fetch_max_wait_ms=20,
    )
    await consumer.start()
    try:
        sources = [
            TopicPartition(settings.namespace + topic.name, partition)
            for topic in PUBLIC_TOPICS
            for partition in range(settings.partition_count)
        ]
        consumer.assign(sources)
        if from_start:
            await consumer.seek_to_beginning(*sources)
        else:
            await consumer.seek_to_end(*sources)
            for source in sources:
                await consumer.position(source)
        yield _envelopes(consumer)
    finally:
        await consumer.stop()


async def _envelopes(consumer: AIOKafkaConsumer) -> AsyncIterator[Envelope]:
    while True:
        first = await consumer.getmany(timeout_ms=200)
        if not first:
            continue
        # Topics arrive side by side; a moment more lets a cause come before its effect.
        second = await consumer.getmany(timeout_ms=SETTLE_MS)
        envelopes: list[Envelope] = []
        for records in (*first.values(), *second.values()):
            for record in records:
                try:
                    envelopes.append(decode(record.key, record.value, record.headers))
                except ContractError:
                    continue
        for envelope in sorted(envelopes, key=lambda e: e.occurred_at):
            yield envelope
