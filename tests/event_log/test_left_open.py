"""What a broker neither kept nor took back is taken back by the next owner; decision 0038."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from runtime.event_log.left_open import WITHIN_SECONDS, take_back_open
from runtime.settings import Settings
from schemas.codec import decode
from tests.event_log.feeding import (
    PARTITION,
    grant,
    inputs,
    ledger_lane,
    publish,
    read,
    until_decided,
)
from tests.virtual_time import run_virtually

OWN = [TopicPartition("ledger.state", PARTITION), TopicPartition("ledger.events", PARTITION)]


@pytest.fixture
async def unverified(settings: Settings) -> AsyncIterator[None]:
    """Let a producer write into partitions that the coordinator knows nothing of.

    So it leaves a transaction open that the broker takes for ended, as Kafka 4.3 does (0038).
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        broker = ConfigResourceType.BROKER, "1"
        verification = {"transaction.partition.verification.enable": "false"}
        await admin.alter_configs([ConfigResource(*broker, verification)])
        yield
        await admin.alter_configs([ConfigResource(*broker, {})])
    finally:
        await admin.close()


@pytest.mark.usefixtures("unverified")
async def test_what_the_broker_forgot_to_take_back_is_never_seen(
    settings: Settings, monkeypatch
) -> None:
    """torture.md rows 4 and 5, decision 0038: the next owner's commit must not keep it."""
    await publish(settings, "requests", [grant()])
    killed = ledger_lane(settings)
    await killed.open()
    inner = killed._producer._producer
    monkeypatch.setattr(inner._txn_manager, "maybe_add_partition_to_txn", lambda _: None)
    await inner.begin_transaction()
    topics = [f"{settings.namespace}ledger.events", f"{settings.namespace}ledger.state"]
    for topic in topics:
        await inner.send_and_wait(topic, b"half", b"alice", partition=PARTITION)
    next_owner = ledger_lane(settings)
    await next_owner.open()
    for record in await inputs(settings, "requests"):
        await next_owner.put(record)
    await until_decided(next_owner, f"{settings.namespace}requests", 1)
    await next_owner.close()
    events = await read(settings, "ledger.events")
    assert [decode(r.key, r.value, r.headers).event_type for r in events] == ["CreditsGranted"]
    states = await read(settings, "ledger.state")
    assert all(record.value != b"half" for record in states)
    await inner.stop()


class Ends:
    """A reader that knows one end for every partition."""

    def __init__(self, end: int) -> None:
        self.end = end

    async def end_offsets(self, sources: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(0.001)
        return dict.fromkeys(sources, self.end)


def test_it_aborts_until_nothing_is_undecided():
    committed, written = Ends(5), Ends(8)

    async def abort() -> None:
        written.end += 1
        # The second one arrives.
        if written.end == 10:
            committed.end = written.end

    run_virtually(take_back_open(OWN, committed, written, abort))
    assert written.end == 10


def test_where_nothing_is_undecided_nothing_is_written():
    async def abort() -> None:
        pytest.fail("there is nothing to take back")

    run_virtually(take_back_open(OWN, Ends(5), Ends(5), abort))


def test_what_stays_undecided_ends_the_opening_in_time():
    async def abort() -> None: ...

    async def wait() -> float:
        began_at = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await take_back_open(OWN, Ends(5), Ends(8), abort)
        return asyncio.get_running_loop().time() - began_at

    assert run_virtually(wait()) == pytest.approx(WITHIN_SECONDS, abs=1)
