"""A state topic that the broker has compacted tells the next owner the same (decision 0041)."""

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from domain.ledger_state import Account
from runtime.settings import Settings
from runtime.topics import topic_specs
from tests.event_log.feeding import (
    grant,
    inputs,
    ledger_lane,
    publish,
    read,
    until_decided,
)
from tests.waiting import eventually

ACCOUNTS = ("alice", "bob")
OWNERS, ROUNDS = 4, 12


@pytest.fixture
async def compacting(settings: Settings) -> AsyncIterator[Settings]:
    """Have the broker compact the ledger's state every moment, its markers and tombstones too."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    name = f"{settings.namespace}ledger.state"
    (spec,) = (spec for spec in topic_specs(settings) if spec.name == name)
    eager = {
        "segment.ms": "50",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0",
    }
    broker = ConfigResourceType.BROKER, "1"
    try:
        await admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, name, {**spec.config, **eager}),
                ConfigResource(*broker, {"log.cleaner.backoff.ms": "100"}),
            ]
        )
        yield settings
        await admin.alter_configs([ConfigResource(*broker, {})])
    finally:
        await admin.close()


def test_what_a_lane_reads_beyond_its_states_is_bounded() -> None:
    """Decision 0041: by a segment, and by ends that outlast `tape verify --follow` (10 min)."""
    compacted = [s for s in topic_specs(Settings()) if s.config["cleanup.policy"] == "compact"]
    assert {spec.name for spec in compacted} >= {"ledger.state", "generation.state"}
    for spec in compacted:
        assert int(spec.config["segment.bytes"]) <= 4 * 1_048_576
        assert 600_000 < int(spec.config["delete.retention.ms"]) <= 3_600_000


async def test_a_lane_remembers_the_same_from_a_compacted_state_topic(
    compacting: Settings,
) -> None:
    given = dict.fromkeys(ACCOUNTS, 0)
    requests = []
    for number in range(ROUNDS * OWNERS):
        account = ACCOUNTS[number % 10 == 0]
        given[account] += number + 1
        requests.append(grant(account, number + 1))
    await publish(compacting, "requests", requests)
    records = await inputs(compacting, "requests")
    for owner in range(OWNERS):
        lane = ledger_lane(compacting)
        await lane.open()
        # What is taken back leaves records and a marker that mean nothing.
        await lane._abort()
        for record in records[owner * ROUNDS : (owner + 1) * ROUNDS]:
            await lane.put(record)
            await until_decided(lane, record.topic, record.offset + 1)
        seen = dict(lane.states.items())
        await lane.close()

    async def compacted() -> bool:
        keys = [record.key for record in await read(compacting, "ledger.state")]
        # Of the account and the positions of each round; the last segment is not compacted.
        return len(keys) - len(set(keys)) < 2 * ROUNDS

    await eventually(compacted, "older states than the last owner's are gone")
    following = ledger_lane(compacting)
    await following.open()
    assert dict(following.states.items()) == seen
    assert following.position(records[-1].topic) == records[-1].offset + 1
    for account, granted in given.items():
        state = seen[f"account/{account}"]
        assert isinstance(state, Account)
        assert state.granted_credits == granted
    await following.close()
