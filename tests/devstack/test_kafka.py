import os
import signal
import socket
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devstack.errors import StartError
from devstack.kafka import KafkaBroker
from devstack.ports import LOOPBACK, free_port
from tests.waiting import eventually

TOPIC = "facts"
PARTITION = TopicPartition(TOPIC, 0)


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
        await admin.create_topics([NewTopic(TOPIC, 1, 1)])
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


async def test_a_committed_transaction_survives_a_kill_and_a_change_of_ports(state):
    broker = broker_of(state)
    await broker.start()
    await create_topic(broker)
    await commit(broker, b"one", b"two")
    assert await committed(broker, 2) == ([b"one", b"two"], 3)
    await kill(broker)

    again = broker_of(state)
    await again.start()
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
