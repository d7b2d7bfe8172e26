"""Reads whole partitions of the log, committed records only, in bulk; no Faust, no group."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime.clock import monotonic_seconds
from runtime.settings import Settings
from runtime.topics import TopicError
from schemas.topics import (
    GENERATION_EVENTS,
    GENERATION_STATE,
    LEDGER_EVENTS,
    LEDGER_STATE,
    PUBLIC_TOPICS,
    REQUESTS,
)

# 60 s without one record more: the broker is gone.
PROGRESS_TIMEOUT_SECONDS = 60.0
ADMIN_TIMEOUT_SECONDS = 30.0
# 20 ms: a lane's transaction takes 3 to 25 ms, so the next look falls outside of it.
LOOK_AGAIN_SECONDS = 0.02
# 10 ms, not the client's 500: aiokafka 0.14.0 has one fetch per broker in flight, so a fetch that
# waits at the end of one partition holds up the next partition.
FETCH_WAIT_MS = 10
FETCH_BYTES_MAX = 16 * 1_048_576
BATCH_RECORDS_MAX = 5000
# Whatever is read must not be caused by what is not: what is caused is cut first.
CUT_ORDER: tuple[tuple[str, ...], ...] = (
    (LEDGER_STATE.name, GENERATION_STATE.name),
    (LEDGER_EVENTS.name,),
    (GENERATION_EVENTS.name, REQUESTS.name),
    tuple(topic.dead_letter for topic in PUBLIC_TOPICS),
)
ALL_TOPICS = tuple(name for names in CUT_ORDER for name in names)


@dataclass(frozen=True, slots=True)
class Cut:
    """How far each topic of one partition number is read; `exact` as in View."""

    begins: Mapping[str, int]
    ends: Mapping[str, int]
    exact: bool


class LogReader:
    """Two consumers of everything: one of committed records, one that sees how far the log goes.

    Shape: topics are named without the namespace.
    """

    def __init__(
        self, settings: Settings, committed: AIOKafkaConsumer, uncommitted: AIOKafkaConsumer
    ) -> None:
        self._settings = settings
        self._committed = committed
        self._uncommitted = uncommitted

    async def cut(self, partition: int, wait_seconds: float) -> Cut:
        """Choose how far to read a partition number: at an instant without open transactions.

        If the committed ends, asked first, equal the ends of everything, asked afterwards, then
        nothing was open and nothing moved in between. A transaction's markers reach its partitions
        one by one, so equal committed ends alone would not do.
        Units: gives up after `wait_seconds`; then `exact` is False and causes lie within the cut.
        """
        sources = [self._source(topic, partition) for topic in ALL_TOPICS]
        async with asyncio.timeout(PROGRESS_TIMEOUT_SECONDS):
            begins = self._by_name(await self._committed.beginning_offsets(sources))
            give_up_at = monotonic_seconds() + wait_seconds
            while True:
                committed = await self._committed.end_offsets(sources)
                if committed == await self._uncommitted.end_offsets(sources):
                    return Cut(begins, self._by_name(committed), exact=True)
                if monotonic_seconds() >= give_up_at:
                    break
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
            ends: dict[str, int] = {}
            for names in CUT_ORDER:
                sources = [self._source(name, partition) for name in names]
                ends |= self._by_name(await self._committed.end_offsets(sources))
        return Cut(begins, ends, exact=False)

    async def batches(
        self, topic: str, partition: int, cut: Cut
    ) -> AsyncIterator[Sequence[ConsumerRecord]]:
        """Read a partition from its beginning to the cut.

        Raises: TimeoutError when the broker stops answering for 60 s.
        """
        first, after = cut.begins[topic], cut.ends[topic]
        if first >= after:
            return
        source, consumer = self._source(topic, partition), self._committed
        consumer.seek(source, first)
        consumer.resume(source)
        progress_at = monotonic_seconds()
        position = first
        while position < after:
            batches = await asyncio.wait_for(
                consumer.getmany(timeout_ms=1000, max_records=BATCH_RECORDS_MAX),
                PROGRESS_TIMEOUT_SECONDS,
            )
            records = batches.get(source, [])
            if records:
                whole = records[-1].offset < after
                yield records if whole else [r for r in records if r.offset < after]
            before = position
            position = await asyncio.wait_for(consumer.position(source), PROGRESS_TIMEOUT_SECONDS)
            if position > before:
                progress_at = monotonic_seconds()
            elif monotonic_seconds() - progress_at > PROGRESS_TIMEOUT_SECONDS:
                raise TimeoutError(f"{topic}[{partition}] gives no record after {position}")
        consumer.pause(source)

    def _source(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.namespace + topic, partition)

    def _by_name(self, offsets: Mapping[TopicPartition, int]) -> dict[str, int]:
        namespace = self._settings.namespace
        return {source.topic.removeprefix(namespace): at for source, at in offsets.items()}


@asynccontextmanager
async def open_log(settings: Settings) -> AsyncIterator[LogReader]:
    """Connect for the length of a context.

    Raises: TopicError where topics are missing or not as set; TimeoutError, KafkaError.
    """
    await _check_topics(settings)
    async with (
        _consumer(settings, "read_committed") as committed,
        _consumer(settings, "read_uncommitted") as uncommitted,
    ):
        yield LogReader(settings, committed, uncommitted)


@asynccontextmanager
async def _consumer(settings: Settings, isolation_level: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        isolation_level=isolation_level,
        # With the default, a seek can race and start at the end.
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        fetch_max_bytes=FETCH_BYTES_MAX,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        request_timeout_ms=30_000,
    )
    # All at once and before the start: aiokafka 0.14.0 otherwise asks for each topic's metadata by
    # itself, 0.1 s apart. Paused: nothing is fetched but what is being read.
    sources = [
        TopicPartition(settings.namespace + topic, partition)
        for topic in ALL_TOPICS
        for partition in range(settings.partition_count)
    ]
    consumer.assign(sources)
    consumer.pause(*sources)
    try:
        async with asyncio.timeout(ADMIN_TIMEOUT_SECONDS):
            await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _check_topics(settings: Settings) -> None:
    """Refuse to read topics that are not there: asking for one could create it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    async with asyncio.timeout(ADMIN_TIMEOUT_SECONDS):
        await admin.start()
        try:
            names = [settings.namespace + topic for topic in ALL_TOPICS]
            present = set(await admin.list_topics())
            missing = sorted(set(names) - present)
            if missing:
                raise TopicError(f"the broker has no topic {', '.join(missing)}")
            for topic in await admin.describe_topics(names):
                found = len(topic["partitions"])
                if found != settings.partition_count:
                    raise TopicError(
                        f"topic {topic['topic']} has {found} partitions, this system is set to "
                        f"{settings.partition_count}: set TAPEWORKS_PARTITION_COUNT={found}"
                    )
        finally:
            await admin.close()
