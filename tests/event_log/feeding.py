"""Feeds a lane by hand, as a Faust agent would, and reads what it wrote, as another team would."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from processors.ledger import LedgerProgram
from runtime.event_log.lane import Lane
from runtime.event_log.program import InputRecord
from runtime.settings import Settings
from schemas.base import Event
from schemas.codec import Record, encode
from schemas.envelope import Cause
from schemas.requests import (
    CreditGrantRequested,
    GenerationRequested,
    PrivatePrompt,
    VideoSettings,
)
from tests.waiting import eventually

# 1 s in all.
MARKER_LOOKS_MAX = 20
PARTITION = 0
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class DiedError(Exception):
    """What the lane does in place of ending this process."""


def raise_died(reason: str) -> NoReturn:
    raise DiedError(reason)


def ledger_lane(settings: Settings) -> Lane:
    return Lane(LedgerProgram(settings), PARTITION, settings, raise_died)


def grant(account_id: str = "alice", amount_credits: int = 100) -> Record:
    return _record(
        CreditGrantRequested(
            account_id=account_id,
            occurred_at=AT,
            amount_credits=amount_credits,
            reason="test",
            requested_by="admin",
            idempotency_key=str(uuid4()),
        )
    )


def generation(account_id: str = "alice", duration_seconds: int = 4) -> Record:
    job_id = str(uuid4())
    return _record(
        GenerationRequested(
            account_id=account_id,
            occurred_at=AT,
            job_id=job_id,
            settings=VideoSettings(
                model="veo-3.1",
                duration_seconds=duration_seconds,
                resolution="720p",
                aspect_ratio="16:9",
            ),
            idempotency_key=job_id,
            body_sha256="0" * 64,
            private=PrivatePrompt(prompt="a lighthouse at dusk"),
        )
    )


def _record(event: Event) -> Record:
    return encode(Cause(str(uuid4()), str(uuid4())).envelop(event, 0, "/tests"))


async def publish(settings: Settings, topic: str, records: Sequence[Record]) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, enable_idempotence=True
    )
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(
                settings.namespace + topic,
                record.value,
                record.key,
                PARTITION,
                headers=list(record.headers),
            )
    finally:
        await producer.stop()


def _consumer(settings: Settings, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level=isolation_level,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


async def _settled(settings: Settings, consumer: AIOKafkaConsumer, source: TopicPartition) -> int:
    """Give the end of what is committed, once the markers of the last commits are there.

    They follow a commit's answer within milliseconds; a transaction that stays open has none.
    """
    all_records = _consumer(settings, "read_uncommitted")
    await all_records.start()
    try:
        for _ in range(MARKER_LOOKS_MAX):
            written = (await all_records.end_offsets([source]))[source]
            committed: int = (await consumer.end_offsets([source]))[source]
            if committed == written:
                break
            await asyncio.sleep(0.05)
        return committed
    finally:
        await all_records.stop()


async def read(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """Read one partition from its beginning to its end, committed records only."""
    source = TopicPartition(settings.namespace + topic, PARTITION)
    consumer = _consumer(settings, "read_committed")
    await consumer.start()
    try:
        consumer.assign([source])
        end = await _settled(settings, consumer, source)
        await consumer.seek_to_beginning(source)
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(20):
            while await consumer.position(source) < end:
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    records.extend(batch)
        return records
    finally:
        await consumer.stop()


async def inputs(settings: Settings, topic: str) -> list[InputRecord]:
    """Give a topic's records as the agent would, each with the one before it."""
    records: list[InputRecord] = []
    previous = -1
    for record in await read(settings, topic):
        records.append(
            InputRecord(
                record.topic,
                record.offset,
                previous,
                record.key,
                record.value,
                tuple(record.headers),
            )
        )
        previous = record.offset
    return records


async def until_decided(lane: Lane, topic: str, next_offset: int) -> None:
    """Wait until the lane has committed or passed everything before an offset."""

    async def decided() -> bool:
        return lane.position(topic) >= next_offset

    await eventually(decided, f"the lane passes offset {next_offset} of {topic}")
