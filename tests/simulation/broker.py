"""A broker in memory: partitions, transactions with fenced producers, committed reads, offsets."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaTimeoutError, ProducerFenced
from aiokafka.structs import TopicPartition

from runtime.event_log.fenced_producer import TRANSACTION_TIMEOUT_MS
from tests.simulation.network import LOST, Network
from tests.simulation.virtual_loop import Process

OPEN, COMMITTED, ABORTED = 0, 1, 2
# What stands at an offset: key, value, headers, and the transaction it belongs to.
Entry = tuple[Any, Any, Any, "Transaction | None"]
Seen = Callable[[str, int, int, Entry], None]


class Transaction:
    """Records of one producer that become visible together, or never."""

    __slots__ = ("entries", "offsets", "state")

    def __init__(self) -> None:
        self.state = OPEN
        self.entries: dict[Partition, list[int]] = {}
        self.offsets: dict[tuple[str, str, int], int] = {}


class Partition:
    """One partition of one topic; transaction markers take offsets, as in Kafka."""

    __slots__ = ("entries", "latest", "number", "open", "topic", "waiters")

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.entries: list[Entry] = []
        self.open: dict[Transaction, int] = {}
        self.waiters: list[tuple[asyncio.Future[None], Process]] = []
        # The newest committed record of each key: what compaction leaves.
        self.latest: dict[Any, tuple[int, Any]] = {}

    @property
    def stable_end(self) -> int:
        """Where a reader of committed records has to stop."""
        return min(self.open.values()) if self.open else len(self.entries)

    def read(self, first: int, after: int, *, committed: bool = True) -> list[tuple[int, Entry]]:
        """Give what a reader sees from `first` up to but without `after`."""
        found = []
        for offset in range(first, after):
            entry = self.entries[offset]
            transaction = entry[3]
            if transaction is None or (
                entry[0] is not None and (not committed or transaction.state == COMMITTED)
            ):
                found.append((offset, entry))
        return found


class _Producer:
    __slots__ = ("epoch", "left_open", "transaction")

    def __init__(self) -> None:
        self.epoch = 0
        self.transaction: Transaction | None = None
        # Records that no marker ended; the next marker in their partition decides about them.
        self.left_open: dict[Partition, Transaction] = {}


class Batch:
    """Records on their way; what is sent before they arrive travels with them."""

    __slots__ = ("arrival", "records")

    def __init__(self) -> None:
        self.records: list[Any] | None = []
        self.arrival: asyncio.Future[list[int]] | None = None


class Broker:
    """All topics, the transaction coordinator, and the groups' offsets."""

    def __init__(self, network: Network, committed: Seen, aborted: Seen) -> None:
        self.network = network
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.group_offsets: dict[tuple[str, str, int], int] = {}
        self.committed_transactions = 0
        # How often a request fails, and its answer is lost; set to 0 when the faults are over.
        self.failing = 0.0
        # How often a transaction that is aborted for its owner stays open in its partitions.
        self.forgetting = 0.0
        self._committed = committed
        self._aborted = aborted
        self._producers: dict[str, _Producer] = {}

    def partition(self, topic: str, number: int) -> Partition:
        found = self.partitions.get((topic, number))
        if found is None:
            found = self.partitions[topic, number] = Partition(topic, number)
        return found

    # A producer's requests.

    def init_producer(self, transactional_id: str) -> int:
        """Fence whoever has this id, and give the next epoch."""
        producer = self._producers.setdefault(transactional_id, _Producer())
        producer.epoch += 1
        if producer.transaction is not None:
            self._abort(producer)
        return producer.epoch

    def append(self, transactional_id: str, epoch: int, batch: Batch) -> Any:
        """Take records into the transaction that is open."""
        records, batch.records = batch.records, None
        producer = self._checked(transactional_id, epoch)
        draw = self.network.random.random()
        if draw < self.failing:
            raise KafkaTimeoutError("planted: the records were not taken")
        transaction = self._begun(producer)
        placed: list[int] = []
        for topic, number, entry in records or ():
            partition = self.partition(topic, number)
            offsets = transaction.entries.get(partition)
            if offsets is None:
                offsets = transaction.entries[partition] = []
                partition.open[transaction] = len(partition.entries)
            offsets.append(len(partition.entries))
            placed.append(len(partition.entries))
            partition.entries.append((*entry, transaction))
        return LOST if draw > 1 - self.failing else placed

    def add_offsets(
        self, transactional_id: str, epoch: int, offsets: dict[TopicPartition, int], group: str
    ) -> None:
        """Take a group's offsets into the transaction that is open."""
        transaction = self._begun(self._checked(transactional_id, epoch))
        for source, offset in offsets.items():
            transaction.offsets[group, source.topic, source.partition] = offset

    def commit(self, transactional_id: str, epoch: int) -> Any:
        """End the open transaction; where faults are on, the request or its answer may be lost."""
        producer = self._checked(transactional_id, epoch)
        draw = self.network.random.random()
        if draw < self.failing:
            self.expire(transactional_id)
            return LOST
        if producer.transaction is not None:
            self._end(producer, COMMITTED)
        return LOST if draw > 1 - self.failing else None

    def abort(self, transactional_id: str, epoch: int) -> None:
        """Take the open transaction back, as its owner wishes."""
        producer = self._checked(transactional_id, epoch)
        if producer.transaction is not None:
            self._abort(producer)

    def expire(self, transactional_id: str) -> None:
        """End a transaction that stays open for 10 s, and fence its producer."""
        producer = self._producers.get(transactional_id)
        if producer is None or producer.transaction is None:
            return
        transaction, epoch = producer.transaction, producer.epoch

        def over() -> None:
            if producer.transaction is transaction and producer.epoch == epoch:
                producer.epoch += 1
                self._abort(producer)

        loop = self.network.loop
        loop.world_at(loop.now + TRANSACTION_TIMEOUT_MS / 1000, over)

    def expire_all(self) -> None:
        """Look after every open transaction whose owner may be gone."""
        for transactional_id in self._producers:
            self.expire(transactional_id)

    # A client that uses no transactions.

    def publish(self, topic: str, number: int, key: Any, value: Any, headers: Any) -> None:
        """Append one record that is visible at once."""
        partition = self.partition(topic, number)
        partition.entries.append((key, value, headers, None))
        self._committed(topic, number, len(partition.entries) - 1, partition.entries[-1])
        self._notify(partition)

    def changed(self, partition: Partition) -> "asyncio.Future[None]":
        """Give a future that is done when there is more to read."""
        loop = self.network.loop
        waiting: asyncio.Future[None] = asyncio.Future(loop=loop)
        partition.waiters.append((waiting, loop.owner))
        return waiting

    def _notify(self, partition: Partition) -> None:
        if not partition.waiters:
            return
        waiters, partition.waiters = partition.waiters, []
        network = self.network
        for waiting, process in waiters:
            # Each reader hears of it in its own time: so topics overtake each other.
            network.loop.world_at(
                network.loop.now + network.delay(),
                network._answer,
                process,
                waiting,
                None,
                None,
            )

    def _checked(self, transactional_id: str, epoch: int) -> _Producer:
        producer = self._producers[transactional_id]
        if producer.epoch != epoch:
            raise ProducerFenced(f"{transactional_id}: epoch {epoch} is not {producer.epoch}")
        return producer

    def _begun(self, producer: _Producer) -> Transaction:
        if producer.transaction is None:
            producer.transaction = Transaction()
        return producer.transaction

    def _abort(self, producer: _Producer) -> None:
        """Abort, or forget to say so to the partitions, as Kafka 4.3 may (KAFKA-20734)."""
        if self.forgetting and self.network.random.random() < self.forgetting:
            self._forget(producer)
        else:
            self._end(producer, ABORTED)

    def _forget(self, producer: _Producer) -> None:
        transaction, producer.transaction = producer.transaction, None
        assert transaction is not None, "only an open transaction is forgotten"
        for partition, offsets in transaction.entries.items():
            first = partition.open.pop(transaction)
            left = producer.left_open.setdefault(partition, Transaction())
            partition.open.setdefault(left, first)
            left.entries.setdefault(partition, []).extend(offsets)
            for offset in offsets:
                partition.entries[offset] = (*partition.entries[offset][:3], left)

    def _end(self, producer: _Producer, state: int) -> None:
        transaction, producer.transaction = producer.transaction, None
        assert transaction is not None, "only an open transaction ends"
        transaction.state = state
        if state == COMMITTED:
            self.committed_transactions += 1
            self.group_offsets.update(transaction.offsets)
        for partition, offsets in transaction.entries.items():
            left = producer.left_open.pop(partition, None)
            if left is not None:
                left.state = state
                self._mark(left, partition, left.entries[partition])
            self._mark(transaction, partition, offsets)
            partition.entries.append((None, None, None, transaction))
            self._notify(partition)

    def _mark(self, transaction: Transaction, partition: Partition, offsets: list[int]) -> None:
        del partition.open[transaction]
        committed = transaction.state == COMMITTED
        seen = self._committed if committed else self._aborted
        entries, topic, number = partition.entries, partition.topic, partition.number
        state_topic = topic.endswith(".state")
        for offset in offsets:
            if not state_topic:
                seen(topic, number, offset, entries[offset])
            elif committed:
                partition.latest[entries[offset][0]] = (offset, entries[offset][1])
