"""The fenced event log on a real broker: one transaction per batch, one writer per partition."""

import asyncio
import json
from collections import Counter
from typing import NoReturn

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from processors.ledger import LedgerProgram
from runtime.event_log.fenced_producer import COMMIT_TIMEOUT_SECONDS, OutgoingRecord
from runtime.event_log.lane import Lane
from runtime.event_log.program import InputRecord, LaneClosedError
from runtime.event_log.state_reader import POSITIONS_KEY, StateError
from runtime.settings import Settings
from runtime.topics import ensure_topics
from schemas.codec import Record, decode
from tests.event_log.feeding import (
    PARTITION,
    DiedError,
    generation,
    grant,
    inputs,
    ledger_lane,
    publish,
    raise_died,
    read,
    until_decided,
)
from tests.waiting import eventually


async def event_types(settings: Settings) -> list[str]:
    records = await read(settings, "ledger.events")
    return [decode(r.key, r.value, r.headers).event_type for r in records]


async def feed(lane: Lane, records: list[InputRecord]) -> None:
    for record in records:
        await lane.put(record)
    if records:
        await until_decided(lane, records[-1].topic, records[-1].offset + 1)


async def committed_offset(settings: Settings, topic: str) -> int | None:
    """Give the group's offset; None until the broker has marked the first transaction's end."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"{settings.namespace}ledger")
    finally:
        await admin.close()
    committed = offsets.get(TopicPartition(settings.namespace + topic, PARTITION))
    return committed.offset if committed else None


async def test_events_state_and_positions_of_a_batch_become_visible_together(
    settings: Settings, monkeypatch
) -> None:
    """The owner dies at its first commit: what is visible then is all that ever will be."""
    await publish(settings, "requests", [grant(), generation(), generation()])
    killed = ledger_lane(settings)
    await killed.open()
    inner = killed._producer._producer
    commit, died = inner.commit_transaction, asyncio.Event()

    async def commit_and_die() -> None:
        await commit()
        died.set()
        raise DiedError

    monkeypatch.setattr(inner, "commit_transaction", commit_and_die)
    for record in await inputs(settings, "requests"):
        await killed.put(record)  # into one batch: the lane has no turn in between
    async with asyncio.timeout(20):
        await died.wait()
    next_owner = ledger_lane(settings)
    await next_owner.open()
    await next_owner.close()
    await killed.close()
    assert killed._task is not None
    assert isinstance(killed._task.exception(), DiedError)
    assert await event_types(settings) == ["CreditsGranted", "CreditsReserved", "CreditsReserved"]
    states = await read(settings, "ledger.state")
    last = next(r.value for r in reversed(states) if r.key == POSITIONS_KEY.encode())
    assert json.loads(last)[settings.namespace + "requests"] == 3
    keys = Counter(r.key.decode().split("/")[0] for r in states)
    assert (keys["account"], keys["positions"], keys["job"]) == (1, 1, 2)


async def test_what_is_readable_is_seen_by_everybody(settings: Settings) -> None:
    await publish(settings, "requests", [grant(), generation()])
    lane = ledger_lane(settings)
    await lane.open()
    for record in await inputs(settings, "requests"):
        await feed(lane, [record])
        await lane.readable()
        assert len(await event_types(settings)) == record.offset + 1
    await lane.close()


async def test_a_record_delivered_again_changes_nothing_I14(settings: Settings) -> None:
    await publish(settings, "requests", [grant(), generation()])
    records = await inputs(settings, "requests")
    for _ in range(3):
        lane = ledger_lane(settings)
        await lane.open()
        for _ in range(2):
            await feed(lane, records)
        await lane.close()
    assert await event_types(settings) == ["CreditsGranted", "CreditsReserved"]


async def test_what_a_killed_owner_left_uncommitted_is_never_seen(settings: Settings) -> None:
    await publish(settings, "requests", [grant()])
    killed = ledger_lane(settings)
    await killed.open()
    inner = killed._producer._producer
    await inner.begin_transaction()
    await inner.send_and_wait(
        f"{settings.namespace}ledger.events", b"half", b"alice", partition=PARTITION
    )
    next_owner = ledger_lane(settings)
    await next_owner.open()
    await feed(next_owner, await inputs(settings, "requests"))
    assert await event_types(settings) == ["CreditsGranted"]
    await next_owner.close()
    await inner.stop()


async def test_an_owner_that_was_replaced_cannot_write_any_more(settings: Settings) -> None:
    await publish(settings, "requests", [grant()])
    frozen = ledger_lane(settings)
    await frozen.open()
    next_owner = ledger_lane(settings)
    await next_owner.open()
    with pytest.raises(DiedError, match="ProducerFenced"):
        await frozen._producer.write(
            [OutgoingRecord(f"{settings.namespace}ledger.events", b"alice", b"stale")], "ledger", {}
        )
    await feed(next_owner, await inputs(settings, "requests"))
    await next_owner.close()
    assert await event_types(settings) == ["CreditsGranted"]
    await frozen.close()


async def test_a_record_that_never_reached_the_lane_stops_the_worker(settings: Settings) -> None:
    await publish(settings, "requests", [grant(), grant(), grant()])
    _, second, third = await inputs(settings, "requests")
    lane = ledger_lane(settings)
    await lane.open()
    with pytest.raises(DiedError, match="records 0 to 1 never reached the lane"):
        await lane.put(third)
    with pytest.raises(DiedError, match="records 0 to 0 never reached the lane"):
        await lane.put(second)
    await lane.close()


POISON = [
    pytest.param(Record(b"alice", b"", ()), "empty_value", id="empty"),
    pytest.param(Record(b"alice", None, ()), "empty_value", id="tombstone"),
    pytest.param(Record(None, b"{}", ()), "bad_header", id="no headers and no key"),
    pytest.param(Record(b"bob", grant().value, grant().headers), "wrong_key", id="foreign key"),
    pytest.param(
        Record(b"alice", (grant().value or b"")[:-5], grant().headers), "bad_body", id="truncated"
    ),
    pytest.param(
        Record(b"alice", b"[" * 10_000 + b"]" * 10_000, grant().headers), "bad_body", id="deep"
    ),
    pytest.param(Record(b"alice", b"\xff\xfe", grant().headers), "bad_body", id="not UTF-8"),
]


@pytest.mark.parametrize(("poison", "reason"), POISON)
async def test_an_unreadable_record_is_set_aside_whole_and_the_partition_goes_on(
    settings: Settings, poison: Record, reason: str
) -> None:
    await publish(settings, "requests", [grant(), poison, generation()])
    lane = ledger_lane(settings)
    await lane.open()
    await feed(lane, await inputs(settings, "requests"))
    await lane.close()
    assert await event_types(settings) == ["CreditsGranted", "CreditsReserved"]
    letters = await read(settings, "requests.dead-letter")
    assert [(letter.key, letter.value) for letter in letters] == [(poison.key, poison.value)]
    headers = dict(letters[0].headers)
    assert headers["dead_letter_reason"].decode() == reason
    assert headers["dead_letter_topic"].decode() == f"{settings.namespace}requests"
    assert headers["dead_letter_offset"] == b"1"
    assert headers["dead_letter_by"] == b"ledger"


class FaultyLedger(LedgerProgram):
    """A ledger with a bug that one account's events hit."""

    def decide_event(self, envelope, states):
        if envelope.event.account_id == "unlucky":
            raise ZeroDivisionError("planted")
        return super().decide_event(envelope, states)


async def test_a_rule_that_raises_sets_its_record_aside_and_harms_no_neighbour_I24(
    settings: Settings,
) -> None:
    await publish(settings, "requests", [grant("unlucky"), grant("alice")])
    lane = Lane(FaultyLedger(settings), PARTITION, settings, raise_died)
    await lane.open()
    await feed(lane, await inputs(settings, "requests"))
    await lane.close()
    (letter,) = await read(settings, "requests.dead-letter")
    assert dict(letter.headers)["dead_letter_reason"] == b"processing_failed"
    assert await event_types(settings) == ["CreditsGranted"]


async def test_without_its_dead_letter_topic_a_partition_stops_and_drops_nothing(
    settings: Settings,
) -> None:
    """torture.md row 18: the worker ends and says why; the next one goes on once it is back."""
    await publish(settings, "requests", [grant(), Record(b"alice", b"", ()), generation()])
    records = await inputs(settings, "requests")
    gone = f"{settings.namespace}requests.dead-letter"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([gone])
    finally:
        await admin.close()
    said: list[str] = []

    def note(reason: str) -> NoReturn:
        said.append(reason)
        raise_died(reason)

    stopped = Lane(LedgerProgram(settings), PARTITION, settings, note)
    await stopped.open()
    for record in records:
        await stopped.put(record)

    async def over() -> bool:
        return bool(said)

    await eventually(over, "the worker ends", seconds=COMMIT_TIMEOUT_SECONDS * 2)
    assert f"partition {PARTITION}" in said[0]
    await stopped.close()
    assert stopped._task is not None
    assert isinstance(stopped._task.exception(), DiedError)
    assert "CreditsReserved" not in await event_types(settings)
    await ensure_topics(settings)
    resumed = ledger_lane(settings)
    await resumed.open()
    await feed(resumed, await inputs(settings, "requests"))
    await resumed.close()
    (letter,) = await read(settings, "requests.dead-letter")
    assert dict(letter.headers)["dead_letter_reason"] == b"empty_value"
    assert await event_types(settings) == ["CreditsGranted", "CreditsReserved"]


async def test_positions_beyond_the_end_of_a_topic_are_refused(settings: Settings) -> None:
    lane = ledger_lane(settings)
    await lane.open()
    await lane._producer.write(
        [OutgoingRecord(f"{settings.namespace}ledger.state", b"positions", _positions(settings))],
        "ledger",
        {},
    )
    await lane.close()
    refused = ledger_lane(settings)
    with pytest.raises(StateError, match=r"ends at 0, but its next record to decide is 7"):
        await refused.open()
    await refused.close()


def _positions(settings: Settings) -> bytes:
    return f'{{"{settings.namespace}requests": 7}}'.encode()


async def test_a_closed_lane_decides_nothing_more(settings: Settings) -> None:
    lane = ledger_lane(settings)
    await lane.open()
    await lane.close()
    with pytest.raises(LaneClosedError):
        await lane.decide(object())


async def test_offsets_of_records_that_led_to_nothing_are_committed_soon(
    settings: Settings,
) -> None:
    # The ledger has nothing to say to its own kind of event on this topic: a poll, for instance.
    await publish(settings, "requests", [grant()])
    records = await inputs(settings, "requests")
    lane = ledger_lane(settings)
    await lane.open()
    await feed(lane, records)
    again = InputRecord(records[0].topic, 5, 0, *_of(records[0]))
    await lane.put(again)

    async def committed_all() -> bool:
        return await committed_offset(settings, "requests") == 6

    await eventually(committed_all, "the group's offset is committed")
    await lane.close()
    assert await event_types(settings) == ["CreditsGranted"]


async def test_the_groups_offsets_follow_the_events_even_if_nothing_more_arrives(
    settings: Settings,
) -> None:
    """Decision 0031."""
    await publish(settings, "requests", [grant()])
    lane = ledger_lane(settings)
    await lane.open()
    await feed(lane, await inputs(settings, "requests"))
    await publish(settings, "requests", [generation(), generation()])
    await feed(lane, (await inputs(settings, "requests"))[1:])
    assert await event_types(settings) == ["CreditsGranted", "CreditsReserved", "CreditsReserved"]

    async def committed_all() -> bool:
        return await committed_offset(settings, "requests") == 3

    await eventually(committed_all, "the group's offset is committed")
    await lane.close()


def _of(record: InputRecord) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
    return record.key, record.value, record.headers


async def test_a_worker_does_not_open_on_states_that_a_newer_version_wrote(
    settings: Settings,
) -> None:
    lane = ledger_lane(settings)
    await lane.open()
    strange = OutgoingRecord(f"{settings.namespace}ledger.state", b"voucher/alice", b"{}")
    await lane._producer.write([strange], "ledger", {})
    await lane.close()
    refused = ledger_lane(settings)
    with pytest.raises(StateError, match=r"holds 'voucher/alice', written by a newer version"):
        await refused.open()
    await refused.close()


async def test_a_state_that_cannot_be_read_ends_the_worker_when_it_is_needed(
    settings: Settings,
) -> None:
    """Not as an input that cannot be decided: that would set the input aside."""
    lane = ledger_lane(settings)
    await lane.open()
    broken = OutgoingRecord(f"{settings.namespace}ledger.state", b"account/alice", b"{")
    await lane._producer.write([broken], "ledger", {})
    await lane.close()
    next_owner = ledger_lane(settings)
    await next_owner.open()
    with pytest.raises(DiedError, match="cannot read account/alice"):
        next_owner.states.get("account/alice")
    await next_owner.close()
