"""aiokafka's producer and consumer, as far as a lane uses them, on the broker in memory."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.structs import ConsumerRecord, TopicPartition

from tests.simulation.broker import Batch, Broker

# Records; now and then a batch is full so soon.
SMALL_BATCH = 2


class MemoryBatch:
    """Records of one topic that are sent as one."""

    __slots__ = ("_records_max", "entries")

    def __init__(self, records_max: int | None) -> None:
        self.entries: list[tuple[Any, Any, Any]] = []
        self._records_max = records_max

    def append(
        self, *, timestamp: None, key: Any, value: Any, headers: Any
    ) -> "MemoryBatch | None":
        del timestamp
        if self._records_max is not None and len(self.entries) >= self._records_max:
            return None
        self.entries.append((key, value, headers))
        return self

    def close(self) -> None: ...

    def record_count(self) -> int:
        return len(self.entries)


class MemoryProducer:
    """What a lane sees of the broker when it writes; the shape is aiokafka's."""

    def __init__(self, broker: Broker, *, transactional_id: str, **_: object) -> None:
        self._broker = broker
        self._id = transactional_id
        self._epoch = 0
        self._batch = Batch()
        self._in_transaction = False

    async def start(self) -> None:
        self._epoch = await self._broker.network.ask(self._broker.init_producer, self._id)

    async def stop(self) -> None:
        await self._broker.network.ask(lambda: None)

    async def begin_transaction(self) -> None:
        assert self._epoch, "a producer is started first"
        assert not self._in_transaction, "one transaction at a time"
        self._in_transaction = True

    def create_batch(self) -> "MemoryBatch":
        return MemoryBatch(SMALL_BATCH if self._broker.network.random.random() < 0.02 else None)

    async def send_batch(
        self, built: "MemoryBatch", topic: str, *, partition: int
    ) -> "asyncio.Future[_Placed]":
        assert self._in_transaction, "aiokafka refuses a send outside of a transaction"
        network, batch = self._broker.network, self._batch
        if network.random.random() < 0.02:
            # The client waits for metadata or for room in its buffer.
            await network.ask(lambda: None)
            batch = self._batch
        if batch.arrival is None or batch.records is None:
            self._batch = batch = Batch()
            batch.arrival = network.ask(self._broker.append, self._id, self._epoch, batch)
        assert batch.records is not None, "a batch that was sent is replaced"
        batch.records.extend([(topic, partition, entry) for entry in built.entries])
        assert batch.arrival is not None
        placed: asyncio.Future[_Placed] = asyncio.get_running_loop().create_future()
        first = len(batch.records) - len(built.entries)
        batch.arrival.add_done_callback(lambda arrival: _tell_place(arrival, placed, first))
        return placed

    async def send_offsets_to_transaction(
        self, offsets: dict[TopicPartition, int], group_id: str
    ) -> None:
        await self._broker.network.ask(
            self._broker.add_offsets, self._id, self._epoch, offsets, group_id
        )

    async def commit_transaction(self) -> None:
        await self._end_transaction(self._broker.commit)

    async def abort_transaction(self) -> None:
        await self._end_transaction(self._broker.abort)

    async def _end_transaction(self, end: Callable[[str, int], Any]) -> None:
        if self._batch.arrival is not None and not self._batch.arrival.done():
            # What was sent goes first; whether it arrived is not asked (aiokafka 0.14.0).
            await asyncio.wait([self._batch.arrival])
        await self._broker.network.ask(end, self._id, self._epoch)
        self._in_transaction = False


def _tell_place(
    arrival: "asyncio.Future[list[int]]", placed: "asyncio.Future[_Placed]", first: int
) -> None:
    if placed.done() or arrival.cancelled():
        placed.cancel()
    elif error := arrival.exception():
        placed.set_exception(error)
    else:
        placed.set_result(_Placed(arrival.result()[first]))


class _Placed:
    """Where the first record of a batch came to lie; the name is aiokafka's."""

    __slots__ = ("offset",)

    def __init__(self, offset: int) -> None:
        self.offset = offset


class MemoryConsumer:
    """What a lane sees of the broker when it reads its state; the shape is aiokafka's."""

    def __init__(self, broker: Broker, *, isolation_level: str = "", **_: object) -> None:
        self._broker = broker
        self._committed = isolation_level == "read_committed"
        self._positions: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        await self._broker.network.ask(lambda: None)

    async def stop(self) -> None: ...

    def assign(self, sources: Sequence[TopicPartition]) -> None:
        self._positions = dict.fromkeys(sources, 0)

    async def end_offsets(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return await self._broker.network.ask(self._ends, sources)

    def _ends(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = {source: self._broker.partition(*source) for source in sources}
        return {
            source: partition.stable_end if self._committed else len(partition.entries)
            for source, partition in found.items()
        }

    async def beginning_offsets(
        self, sources: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        return dict.fromkeys(sources, 0)

    async def seek_to_beginning(self, source: TopicPartition) -> None:
        self._positions[source] = 0

    async def position(self, source: TopicPartition) -> int:
        return self._positions[source]

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        del timeout_ms
        return await self._broker.network.ask(self._batches, max_records)

    def _batches(self, max_records: int) -> dict[TopicPartition, list[Any]]:
        compacted = self._broker.network.random.random() < 0.75
        batches = {}
        for source, first in self._positions.items():
            partition = self._broker.partition(*source)
            after = partition.stable_end if self._committed else len(partition.entries)
            if compacted and self._committed:
                newest = [(at, key, value) for key, (at, value) in partition.latest.items()]
                records = [_Read(key, value) for at, key, value in sorted(newest, key=_offset)]
                after = max(after, first)
            else:
                after = min(after, first + max_records)
                read = partition.read(first, after, committed=self._committed)
                records = [_Read(entry[0], entry[1]) for _, entry in read]
            batches[source] = records
            self._positions[source] = after
        return batches


def _offset(found: tuple[int, Any, Any]) -> int:
    return found[0]


class _Read:
    """One record of a state topic."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value
