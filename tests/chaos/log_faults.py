"""What the log does to its readers: records again, readers that come and go, offsets set back."""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from schemas.codec import ContractError, decode
from schemas.requests import GenerationRequested
from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS, REQUESTS, Topic
from tests.chaos.arena import ROLES, Arena
from tests.chaos.fault import Fault, Size

INPUTS: dict[str, tuple[Topic, ...]] = {
    "ledger": (REQUESTS, GENERATION_EVENTS),
    "generation": (LEDGER_EVENTS,),
    "projections": (REQUESTS, LEDGER_EVENTS, GENERATION_EVENTS),
}
# Of each partition the latest 500 records: a long run has more than anybody wants ten times.
REPEATED_RECORDS_MAX = 500
MEMBER_SECONDS = 2.0
# torture.md row 7.
THROUGHPUT_SHARE_MIN = 0.30
# 300 s: a whole run leaves half a million events, and 60 s were too short for two busy cores.
CAUGHT_UP_SECONDS_MAX = 300.0
_TABLES = ("generations", "accounts", "credit_transactions", "projection_offsets")
_ROWS = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
_OLD_ROWS = _ROWS + " WHERE created_at <= $1"


async def repeat_requests(arena: Arena, _: str, *, times: int) -> None:
    """Publish requests again, as an ingress does for a client that repeats, so many times in all.

    Same key and same body; the job and the event have ids of their own, as with each POST.
    """
    settings = arena.system.settings
    records = [
        each for each in await latest(arena, settings.namespace + REQUESTS.name) if _is_order(each)
    ]
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        for _round in range(times - 1):
            arena.dice.shuffle(records)
            sends = [await _sent_again(arena, producer, record) for record in records]
            await asyncio.gather(*sends)
    finally:
        await producer.stop()
    arena.say(f"published {len(records)} requests {times - 1} times more")
    arena.count("requests repeated", len(records) * (times - 1))
    # What was repeated stands before what is posted now: to answer it is to have read all.
    await arena.recovered(time.monotonic())


def _is_order(record: ConsumerRecord) -> bool:
    """Say whether a record asks for a generation; what nobody can read does not."""
    try:
        envelope = decode(record.key, record.value, record.headers)
    except ContractError:
        return False
    return isinstance(envelope.event, GenerationRequested)


async def _sent_again(
    arena: Arena, producer: AIOKafkaProducer, record: ConsumerRecord
) -> "asyncio.Future[object]":
    headers = dict(record.headers)
    job_id, event_id = (str(UUID(int=arena.dice.getrandbits(128), version=4)) for _ in range(2))
    value = record.value.replace(headers["ce_subject"], job_id.encode())
    headers |= {"ce_id": event_id.encode(), "ce_subject": job_id.encode()}
    return await producer.send(
        record.topic,
        value,
        key=record.key,
        partition=record.partition,
        headers=list(headers.items()),
    )


async def latest(arena: Arena, topic: str) -> list[ConsumerRecord]:
    """Read the latest committed records of each partition of a topic."""
    settings = arena.system.settings
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        sources = [TopicPartition(topic, n) for n in range(settings.partition_count)]
        consumer.assign(sources)
        ends = await consumer.end_offsets(sources)
        records = []
        for source in sources:
            consumer.seek(source, max(ends[source] - REPEATED_RECORDS_MAX, 0))
        while any([await consumer.position(each) < ends[each] for each in sources]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records += batch
    finally:
        await consumer.stop()
    return [each for each in records if each.offset < ends[TopicPartition(topic, each.partition)]]


async def reset_offsets(arena: Arena, _: str) -> None:
    """Set every group's offsets to 0 while no worker runs: all is read again, nothing changes."""
    async with arena.load.held():
        await arena.until(partial(_at_rest, arena), "the read models have caught up")
        before = await _checksums(arena)
        latest = await _ask(arena, "SELECT max(created_at) FROM credit_transactions")
        old = await _checksums(arena, latest)
        workers = [name for role in ROLES for name in arena.workers(role)]
        with arena.system.without(*workers):
            arena.say(f"SIGKILL {', '.join(workers)}; every offset to 0")
            for role, topics in INPUTS.items():
                await _set_to_zero(arena, role, topics)
            # The projections go by what Postgres says, not by their group.
            await _ask(arena, "UPDATE projection_offsets SET next_offset = 0")
        begun_at = time.monotonic()

        async def read_again() -> bool:
            return (await _checksums(arena))["projection_offsets"] == before["projection_offsets"]

        await arena.until(read_again, "every record is applied again", CAUGHT_UP_SECONDS_MAX)
        _compare(arena, before, await _checksums(arena))
        await arena.recovered(begun_at)
        await arena.load.idle()
        _compare(arena, old, await _checksums(arena, latest))
    arena.count("resets")


def _compare(arena: Arena, before: dict[str, str], after: dict[str, str]) -> None:
    changed = [name for name in before if after[name] != before[name]]
    arena.say(f"checksums of {', '.join(before)}; changed: {changed}")
    arena.wrong += [f"{name} changed by reading everything again" for name in changed]


async def _set_to_zero(arena: Arena, role: str, topics: Sequence[Topic]) -> None:
    settings = arena.system.settings
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=f"{settings.namespace}{role}",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        sources = [
            TopicPartition(settings.namespace + topic.name, partition)
            for topic in topics
            for partition in range(settings.partition_count)
        ]
        consumer.assign(sources)

        async def committed() -> bool:
            try:
                await consumer.commit(dict.fromkeys(sources, 0))
            except KafkaError:
                return False  # the killed members' session is not over yet
            return True

        await arena.until(committed, f"the group of the {role} is empty")
    finally:
        await consumer.stop()


async def _checksums(arena: Arena, until: object = None) -> dict[str, str]:
    if until is not None:
        names = ("generations", "credit_transactions")
        return {name: await _ask(arena, _OLD_ROWS.format(name), until) for name in names}
    return {name: await _ask(arena, _ROWS.format(name)) for name in _TABLES}


async def _at_rest(arena: Arena) -> bool:
    reserved = await _ask(arena, "SELECT coalesce(sum(reserved_credits), 0) FROM accounts")
    return int(reserved) == 0


async def _ask(arena: Arena, query: str, *arguments: object):
    connection = await asyncpg.connect(arena.system.settings.database_url.get_secret_value())
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def storm(arena: Arena, role: str) -> None:
    """Let a member that does nothing join a role's group and leave it, every 2 s."""
    settings = arena.system.settings
    topics = [settings.namespace + topic.name for topic in INPUTS[role]]
    seen_before, posted_before = arena.progress.count(role), len(arena.load.posted)
    over_at = time.monotonic() + arena.hold_seconds
    while time.monotonic() < over_at:
        member = AIOKafkaConsumer(
            *topics,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id=f"{settings.namespace}{role}",
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            session_timeout_ms=int(settings.session_timeout_seconds * 1000),
        )
        await member.start()
        await asyncio.sleep(MEMBER_SECONDS)
        await member.stop()
        arena.count("joins")
        await asyncio.sleep(MEMBER_SECONDS)
    posted = len(arena.load.posted) - posted_before
    share = (arena.progress.count(role) - seen_before) / max(posted, 1)
    arena.say(f"{role} handled {share:.0%} of what came during the storm")
    arena.notes[f"{role} handled %"] = round(100 * share)
    if share < THROUGHPUT_SHARE_MIN:
        arena.wrong.append(f"{role} handled {share:.0%} during the storm")
    await arena.recovered(time.monotonic(), [role])


LOG_FAULTS = (
    Fault(
        "offsets_reset",
        "10, 11",
        reset_offsets,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=10, jobs=1000, pause_seconds_max=10),
    ),
    Fault(
        "requests_twice",
        "11",
        partial(repeat_requests, times=2),
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=10, jobs=1000, pause_seconds_max=10),
    ),
    Fault(
        "requests_ten_times",
        "11",
        partial(repeat_requests, times=10),
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=5, jobs=1000, pause_seconds_max=10),
    ),
    Fault(
        "rebalance_storm",
        "7",
        storm,
        small=Size(strikes=2, jobs=8, hold_seconds=8),
        full=Size(strikes=2, jobs=1000, hold_seconds=300),
        targets=("ledger", "generation"),
    ),
)
