import asyncio
import os
import signal
import socket
import uuid
from contextlib import AsyncExitStack, suppress

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from devstack.errors import StartError
from devstack.kafka import KafkaBroker
from devstack.ports import LOOPBACK, free_port
from tests.waiting import eventually

TOPIC = "facts"
PARTITION = TopicPartition(TOPIC, 0)
# Each leaves a transaction open in a partition of its own when the broker is killed.
INTERRUPTED = range(1, 25)


def broker_of(state) -> KafkaBroker:
    controller_port = free_port()
    return KafkaBroker(state, free_port(frozenset({controller_port})), controller_port)


async def kill(broker: KafkaBroker) -> None:
    assert broker.process.pid is not None
    os.kill(broker.process.pid, signal.SIGKILL)

    async def has_ended() -> bool:
        return broker.process.exit_code == -signal.SIGKILL

    await eventually(has_ended, "the broker ended")


async def create_topic(broker: KafkaBroker) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 1 + len(INTERRUPTED), 1)])
    finally:
        await admin.close()


async def commit(broker: KafkaBroker, *values: bytes) -> None:
    """Writes values in one transaction, after one that is aborted."""
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, transactional_id="writer"
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(TOPIC, b"never", partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            for value in values:
                await producer.send_and_wait(TOPIC, value, partition=0)
            await producer.send_offsets_to_transaction({PARTITION: 3}, "readers")


def interrupted_writer(broker: KafkaBroker, number: int) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        transactional_id=f"interrupted-{number}",
        transaction_timeout_ms=10_000,
        request_timeout_ms=10_000,
    )


async def leave_open(broker: KafkaBroker, number: int) -> None:
    """Begins a transaction and goes away: its client ends none of its own accord."""
    writer = interrupted_writer(broker, number)
    await writer.start()
    await writer.begin_transaction()
    await writer.send_and_wait(TOPIC, b"never", partition=number)
    await writer.stop()


async def take_over(broker: KafkaBroker, number: int) -> None:
    """Fences an interrupted writer as soon as the broker lets it, as a restarted worker does."""
    while True:
        async with AsyncExitStack() as stack:
            writer = interrupted_writer(broker, number)
            stack.push_async_callback(writer.stop)
            with suppress(KafkaError):
                await writer.start()
                return
        await asyncio.sleep(0.3)


async def ends(broker: KafkaBroker, isolation_level: str) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, isolation_level=isolation_level
    ) as consumer:
        return await consumer.end_offsets([TopicPartition(TOPIC, n) for n in INTERRUPTED])


async def committed(broker: KafkaBroker, count: int) -> tuple[list[bytes], int | None]:
    """Reads so many committed values from the beginning, and the group's offset."""
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers,
        group_id="readers",
        enable_auto_commit=False,
        isolation_level="read_committed",
    ) as consumer:
        consumer.assign([PARTITION])
        await consumer.seek_to_beginning(PARTITION)
        values: list[bytes] = []

        async def all_read() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                values.extend(record.value for record in records)
            return len(values) >= count

        async def offset_is_known() -> bool:
            # The broker answers the writer before it has marked every partition as committed.
            return await consumer.committed(PARTITION) is not None

        await eventually(all_read, f"{count} committed values")
        await eventually(offset_is_known, "a committed offset")
        return values, await consumer.committed(PARTITION)


async def test_a_broker_whose_id_begins_with_a_dash_starts(state, monkeypatch):
    monkeypatch.setattr("devstack.kafka.uuid.uuid4", lambda: uuid.UUID(int=0xF8 << 120 | 1))
    broker = broker_of(state)
    await broker.start()
    await create_topic(broker)
    await broker.stop()


async def test_transactions_are_kept_or_taken_back_after_a_kill_and_a_change_of_ports(state):
    """With Kafka 4.3.1 some that were open stay open for ever (decision 0038)."""
    broker = broker_of(state)
    await broker.start()
    await create_topic(broker)
    await commit(broker, b"one", b"two")
    assert await committed(broker, 2) == ([b"one", b"two"], 3)
    await asyncio.gather(*(leave_open(broker, number) for number in INTERRUPTED))
    await kill(broker)

    again = broker_of(state)
    takers = [asyncio.create_task(take_over(again, number)) for number in INTERRUPTED]
    await again.start()
    await asyncio.gather(*takers)
    assert await ends(again, "read_committed") == await ends(again, "read_uncommitted")
    await commit(again, b"three")  # the same writer: its transactions are remembered
    assert await committed(again, 3) == ([b"one", b"two", b"three"], 3)
    await again.stop()
    assert again.process.exit_code in {0, 143}  # Java's own exit code after SIGTERM


async def test_a_taken_port_is_a_clear_error(state):
    with socket.create_server((LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(StartError, match=f"kafka did not start: .*port {port}"):
            await KafkaBroker(state, free_port(), port).start()


async def test_a_broker_that_cannot_start_shows_its_log(state):
    broker = broker_of(state)
    data = state.service("kafka") / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=99\ncluster.id=another\n")
    with pytest.raises(StartError, match="node id 99") as failure:
        await broker.start()
    assert "it ended with exit code 1" in str(failure.value)
