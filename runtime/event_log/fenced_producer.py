"""A transactional producer whose opening fences every earlier owner of its partition.

Any error inside a transaction leaves its outcome unknown, so the process ends and the next owner
finds out what happened (decision 0003).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from runtime.exits import Die
from runtime.kafka_answers import expect_answers
from schemas.codec import Headers

# 2 ms: how long the client waits when the broker is still closing the transaction before. At
# aiokafka 0.14.0's 20 ms a transaction of one record takes up to 25 ms back to back, at 2 ms 3.3.
sender.BACKOFF_OVERRIDE = 0.002

# 10 s: a dead writer's open transaction blocks read-committed readers for at most this long.
TRANSACTION_TIMEOUT_MS = 10_000
# Above the broker's own 10 s, so that it is the broker that ends a slow transaction.
COMMIT_TIMEOUT_SECONDS = 12.0
OPEN_TIMEOUT_SECONDS = 30.0
# 4 MiB: the largest record (1 MiB) with its dead-letter headers, and batches of the rest.
REQUEST_BYTES_MAX = 4 * 1_048_576


class OutgoingRecord(NamedTuple):
    """One record of a transaction; `partition` None means the lane's own."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class _Sent(NamedTuple):
    """A batch on its way: how many records, and where its first came to lie."""

    topic: str
    records: int
    placed: "asyncio.Future[RecordMetadata]"


class FencedProducer:
    """Writes whole batches of one partition number, each as one transaction."""

    def __init__(
        self,
        bootstrap_servers: str,
        transactional_id: str,
        partition: int,
        die: Die,
        producer_of: Callable[..., Any] = AIOKafkaProducer,
    ) -> None:
        self._partition = partition
        self._die = die
        self._producer = producer_of(
            bootstrap_servers=bootstrap_servers,
            transactional_id=transactional_id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            request_timeout_ms=TRANSACTION_TIMEOUT_MS,
            linger_ms=0,
            max_batch_size=1_048_576,
            max_request_size=REQUEST_BYTES_MAX,
            acks="all",
        )

    async def open(self) -> None:
        """Fence every earlier owner and settle its open transaction.

        Raises: TimeoutError after 30 s; aiokafka's KafkaError.
        """
        if isinstance(self._producer, AIOKafkaProducer):
            expect_answers(self._producer.client, joins_groups=False)
        async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
            await self._producer.start()

    async def write(
        self,
        records: Sequence[OutgoingRecord],
        group_id: str,
        next_offsets: Mapping[str, int],
    ) -> Mapping[str, int]:
        """Write records and the group's offsets as one transaction, or end the process.

        Shape: gives for each topic the offset behind the last record written.
        """
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
                return await self._transact(records, group_id, next_offsets)
        except BaseException as error:
            # Cancellation included: half a transaction's outcome is nobody's to guess.
            self._die(f"a transaction of partition {self._partition} failed: {error!r}")
            raise

    async def abort(self, topics: Sequence[str]) -> None:
        """Abort a transaction over its partitions of `topics`.

        Raises: TimeoutError after 12 s; aiokafka's KafkaError.
        Guarantee: takes back what earlier owners wrote there and the broker has not decided about.
        """
        async with asyncio.timeout(COMMIT_TIMEOUT_SECONDS):
            await self._producer.begin_transaction()
            # A partition is part of a transaction once something was sent to it; compacted topics
            # take no record without a key.
            sends = await self._send([OutgoingRecord(topic, b"aborted", b"") for topic in topics])
            await asyncio.gather(*(sent for _, _, sent in sends))
            await self._producer.abort_transaction()

    async def _transact(
        self,
        records: Sequence[OutgoingRecord],
        group_id: str,
        next_offsets: Mapping[str, int],
    ) -> Mapping[str, int]:
        await self._producer.begin_transaction()
        sends = await self._send(records)
        # aiokafka 0.14.0 commits happily although a send in the transaction failed.
        placed = await asyncio.gather(*(sent for _, _, sent in sends))
        if next_offsets:
            await self._producer.send_offsets_to_transaction(
                {
                    TopicPartition(topic, self._partition): offset
                    for topic, offset in next_offsets.items()
                },
                group_id,
            )
        await self._producer.commit_transaction()
        ends: dict[str, int] = {}
        for (topic, written, _), place in zip(sends, placed, strict=True):
            ends[topic] = max(ends.get(topic, 0), place.offset + written)
        return ends

    async def _send(self, records: Sequence[OutgoingRecord]) -> "list[_Sent]":
        """Hand the records over, those of one topic in their order; give what to wait for.

        As whole batches: one by one each record costs a future and a turn of the client's queue
        (decision 0024).
        """
        sends: list[_Sent] = []
        building: dict[str, BatchBuilder] = {}
        for record in records:
            batch = building.get(record.topic)
            if batch is None:
                batch = building[record.topic] = self._producer.create_batch()
            if not _appended(batch, record):
                sends.append(await self._send_batch(record.topic, batch))
                batch = building[record.topic] = self._producer.create_batch()
                # The first record of a batch always fits; the broker refuses one beyond its limit.
                if not _appended(batch, record):
                    raise AssertionError("an empty batch takes any record")
        for topic, batch in building.items():
            sends.append(await self._send_batch(topic, batch))
        return sends

    async def _send_batch(self, topic: str, batch: BatchBuilder) -> "_Sent":
        batch.close()
        sent: asyncio.Future[RecordMetadata] = await self._producer.send_batch(
            batch, topic, partition=self._partition
        )
        return _Sent(topic, batch.record_count(), sent)

    async def close(self) -> None:
        """Close the connection; bounded, for nothing is buffered outside a transaction."""
        async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
            await self._producer.stop()


def _appended(batch: BatchBuilder, record: OutgoingRecord) -> bool:
    """Say whether a batch took a record; a full one does not."""
    added = batch.append(
        timestamp=None, key=record.key, value=record.value, headers=list(record.headers)
    )
    return added is not None
