"""Feeds the audit of a partition from the log, in the order that it needs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiokafka import ConsumerRecord

from domain.generation_state import Limits
from replay.checks import Rules
from replay.log_reader import ALL_TOPICS, Cut, LogReader
from replay.partition_audit import PartitionAudit
from runtime.settings import Settings
from schemas.codec import ContractError, decode
from schemas.topics import GENERATION_EVENTS, PUBLIC_TOPICS, STATE_TOPICS


def rules_of(settings: Settings, now: datetime, *, strict_end: bool) -> Rules:
    """Give what a system's settings promise."""
    return Rules(
        limits=Limits(generation_timeout=timedelta(seconds=settings.generation_timeout_seconds)),
        active_jobs_max=settings.active_jobs_max,
        partition_count=settings.partition_count,
        now=now,
        strict_end=strict_end,
    )


async def feed_all(log: LogReader, part: PartitionAudit, cut: Cut) -> None:
    """Feed a partition from its beginning to a cut."""
    await feed_new(log, part, cut, {})


async def feed_new(
    log: LogReader, part: PartitionAudit, cut: Cut, positions: dict[tuple[str, int], int]
) -> None:
    """Feed what stands between `positions` and a cut, and move them; an error leaves them right."""
    begins = {
        topic: max(begin, positions.get((topic, part.number), 0))
        for topic, begin in cut.begins.items()
    }
    for name in ALL_TOPICS:
        if begins[name] > cut.ends[name]:
            part.shared.checks.contract.wrong(
                f"{name}[{part.number}] ends at {cut.ends[name]} and was read to "
                f"{begins[name]}: records were taken from the log"
            )
    rest = replace(cut, begins=begins)
    for topic in PUBLIC_TOPICS:
        async for batch in _batches(log, part.number, rest, positions, topic.dead_letter):
            for record in batch:
                part.dead_letter(topic.name, record.offset, record.headers)
    for topic in STATE_TOPICS:
        async for batch in _batches(log, part.number, rest, positions, topic.name):
            for record in batch:
                part.state(topic.name, record.key, record.value)
    for topic in PUBLIC_TOPICS:
        if topic is GENERATION_EVENTS:
            part.ledger_is_fed()
        async for batch in _batches(log, part.number, rest, positions, topic.name):
            for record in batch:
                _take(part, topic.name, record)


async def _batches(
    log: LogReader, partition: int, rest: Cut, positions: dict[tuple[str, int], int], topic: str
) -> AsyncIterator[Sequence[ConsumerRecord]]:
    async for batch in log.batches(topic, partition, rest):
        yield batch
        if batch:
            positions[topic, partition] = batch[-1].offset + 1
    positions[topic, partition] = max(rest.begins[topic], rest.ends[topic])


def _take(part: PartitionAudit, topic: str, record: ConsumerRecord) -> None:
    try:
        envelope = decode(record.key, record.value, record.headers)
    except ContractError as error:
        part.unreadable(topic, record.offset, error)
    else:
        part.event(topic, record.offset, envelope)
