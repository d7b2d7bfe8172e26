"""Reads a topic to its end and does nothing with it: `python -m bench.raw_state TOPIC`.

Prints how many records there were and the seconds of processor time that this process took.

What a restart is held against in P9: one aiokafka consumer of all partitions, committed records.
"""

import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.settings import Settings, settings


async def read(topic: str, config: Settings) -> int:
    """Count the records of a topic; its partition count is the system's."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    count = 0
    await consumer.start()
    try:
        sources = [TopicPartition(topic, number) for number in range(config.partition_count)]
        consumer.assign(sources)
        ends = await consumer.end_offsets(sources)
        await consumer.seek_to_beginning(*sources)
        for source in sources:
            while await consumer.position(source) < ends[source]:
                batches = await consumer.getmany(timeout_ms=1000, max_records=5000)
                count += sum(len(batch) for batch in batches.values())
    finally:
        await consumer.stop()
    return count


if __name__ == "__main__":
    print(uvloop.run(read(sys.argv[1], settings())), time.process_time())
