"""The lane of a projection: applies one partition of one topic, whatever Postgres does meanwhile.

While Postgres is away the lane waits with the batch in its hand: nothing is dropped and nothing is
parked. Whatever else goes wrong ends the process: a read model with a hole is a wrong answer.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from projections.batches import Applied, apply_batch
from projections.records import ProjectionRecord
from runtime import metrics
from runtime.database import DatabaseUnavailable, Pool, unavailable_as
from runtime.exits import Die, die
from runtime.logs import logger

log = logger(__name__)
# 500: beyond this a transaction grows longer without growing cheaper per row.
BATCH_RECORDS_MAX = 500
# Two full batches may wait; beyond that the agent waits, and the broker holds the rest.
QUEUE_RECORDS_MAX = 1000
# 5 s: how long a batch may wait for a free connection and an answer beyond one command's limit.
APPLY_TIMEOUT_SECONDS = 15.0
# 5 s: an orderly close; what is cut off is applied again by the next owner.
CLOSE_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait for Postgres: twice as long each time, up to a cap, spread by chance."""

    seconds_first: float = 0.2
    # 5 s: the longest that a database which is back is not noticed.
    seconds_max: float = 5.0

    def seconds(self, attempt: int) -> float:
        """Give the wait after the `attempt`-th failure, counted from 1."""
        whole = min(self.seconds_max, self.seconds_first * 2.0 ** min(attempt - 1, 16))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311  spreads retries; nothing is secret


DEFAULT_BACKOFF = Backoff()


class ProjectionLane:
    """One partition of one topic, in this worker."""

    def __init__(
        self,
        pool: Pool,
        topic: str,
        partition: int,
        next_offset: int,
        *,
        die: Die = die,
        backoff: Backoff = DEFAULT_BACKOFF,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.next_offset = next_offset
        self.waiting_for_database = False
        self._pool = pool
        self._die = die
        self._backoff = backoff
        self._queue: asyncio.Queue[ProjectionRecord] = asyncio.Queue(QUEUE_RECORDS_MAX)
        self._last_put = next_offset - 1
        self._end_offset = next_offset
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        # Looked up once: it is set with every record.
        self._lag = metrics.projection_lag_records.labels(topic, str(partition))

    @property
    def lag_records(self) -> int:
        """Offsets between what was applied and the end of the partition, as far as it is known."""
        return max(0, self._end_offset - self.next_offset)

    @property
    def caught_up(self) -> bool:
        """Whether everything that is known to be on the partition has been applied."""
        return self.lag_records == 0

    def start(self) -> None:
        """Begin to apply."""
        self._task = asyncio.create_task(self._run(), name=f"{self.topic}-{self.partition}")

    async def put(self, record: ProjectionRecord, previous_offset: int | None = None) -> None:
        """Take one record; waits while the lane is behind.

        A record that was put or applied before is dropped. `previous_offset`, if given, is that of
        the record delivered before this one: a record lost between broker and lane ends the
        process instead of passing unseen.
        """
        if previous_offset is not None and previous_offset > self._last_put:
            self._die(
                f"{self.topic}[{self.partition}]: records {self._last_put + 1} to "
                f"{previous_offset} never reached the projection"
            )
            return
        if self._closed or record.offset <= self._last_put:
            return
        self._last_put = record.offset
        self.note_end(record.offset + 1)
        await self._queue.put(record)

    def note_end(self, end_offset: int) -> None:
        """Learn where the partition ends, for `lag_records`."""
        self._end_offset = max(self._end_offset, end_offset)
        self._show_lag()

    async def close(self) -> None:
        """Stop; a batch in hand is rolled back whole and belongs to the next owner."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CLOSE_TIMEOUT_SECONDS)
        # Whoever waits to put gets through; what they put here is not applied here.
        while not self._queue.empty():
            self._queue.get_nowait()
        self._lag.set(0)

    async def _run(self) -> None:
        try:
            while not self._closed:
                self._closed = not await self._apply(await self._collect())
        except Exception as error:  # noqa: BLE001  whatever it is: no lane, no worker
            self._die(f"the lane {self.topic}[{self.partition}] broke: {error!r}")

    async def _collect(self) -> list[ProjectionRecord]:
        """Give whatever has arrived: one record when idle, up to 500 when behind."""
        records = [await self._queue.get()]
        while len(records) < BATCH_RECORDS_MAX and not self._queue.empty():
            records.append(self._queue.get_nowait())
        return records

    async def _apply(self, records: Sequence[ProjectionRecord]) -> bool:
        """Apply a batch; one that fails for its content is halved until the culprit is found."""
        try:
            applied = await self._apply_when_possible(records)
        except Exception as error:
            if len(records) > 1:
                half = len(records) // 2
                return await self._apply(records[:half]) and await self._apply(records[half:])
            offset = records[0].offset
            where = f"{self.topic}[{self.partition}] at offset {offset}"
            log.exception(
                "projection_stopped", topic=self.topic, partition=self.partition, offset=offset
            )
            self._die(f"the projection cannot apply {where}: {error!r}")
            return False
        self._count(applied)
        return True

    async def _apply_when_possible(self, records: Sequence[ProjectionRecord]) -> Applied:
        """Repeat the same batch for as long as Postgres is away."""
        attempt = 0
        while True:
            try:
                applied = await self._apply_once(records)
            except DatabaseUnavailable as error:
                attempt += 1
                self.waiting_for_database = True
                seconds = self._backoff.seconds(attempt)
                log.warning(
                    "database_away",
                    topic=self.topic,
                    partition=self.partition,
                    attempt=attempt,
                    wait_seconds=round(seconds, 2),
                    error=str(error),
                )
                await asyncio.sleep(seconds)
            else:
                self.waiting_for_database = False
                return applied

    async def _apply_once(self, records: Sequence[ProjectionRecord]) -> Applied:
        with unavailable_as():
            async with (
                asyncio.timeout(APPLY_TIMEOUT_SECONDS),
                self._pool.acquire(timeout=APPLY_TIMEOUT_SECONDS) as connection,
            ):
                return await apply_batch(connection, self.topic, self.partition, records)

    def _count(self, applied: Applied) -> None:
        self.next_offset = applied.next_offset
        metrics.projection_events.labels(self.topic).inc(applied.events)
        for reason, count in applied.skips.items():
            metrics.projection_records_skipped.labels(self.topic, reason).inc(count)
            log.error(
                "records_passed_over",
                topic=self.topic,
                partition=self.partition,
                reason=reason,
                count=count,
                next_offset=applied.next_offset,
            )
        self._show_lag()

    def _show_lag(self) -> None:
        self._lag.set(self.lag_records)
