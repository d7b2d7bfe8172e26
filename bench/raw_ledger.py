"""The same records through aiokafka alone: consume, produce, commit as transactions; no rules.

Run as `python -m bench.raw_ledger`. What it copies is the least that any exactly-once processor
on this client must do.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from runtime.settings import Settings, settings
from schemas.topics import LEDGER_EVENTS, REQUESTS

NAME = "raw-ledger"
# As ours: up to so many inputs in one transaction.
BATCH_INPUTS_MAX = 500


async def copy(config: Settings) -> None:
    """Copy until the process is ended."""
    source = config.namespace + REQUESTS.name
    target = config.namespace + LEDGER_EVENTS.name
    consumer = AIOKafkaConsumer(
        source,
        bootstrap_servers=config.kafka_bootstrap_servers,
        group_id=config.namespace + NAME,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=config.kafka_bootstrap_servers,
        transactional_id=config.namespace + NAME,
        acks="all",
        max_batch_size=1_048_576,
    )
    await producer.start()
    await consumer.start()
    while True:
        batches = await consumer.getmany(timeout_ms=1000, max_records=BATCH_INPUTS_MAX)
        if not batches:
            continue
        async with producer.transaction():
            sends = [
                await producer.send(
                    target,
                    record.value,
                    record.key,
                    partition.partition,
                    headers=list(record.headers),
                )
                for partition, records in batches.items()
                for record in records
            ]
            await asyncio.gather(*sends)
            await producer.send_offsets_to_transaction(
                {partition: records[-1].offset + 1 for partition, records in batches.items()},
                config.namespace + NAME,
            )


if __name__ == "__main__":
    asyncio.run(copy(settings()))
