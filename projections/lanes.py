"""The lanes of one projection worker: one per partition that it is given.

Topics are named here as the broker names them, with the namespace; in the tables without it.
"""

import asyncio
from collections.abc import Iterable, Mapping

from projections.batches import load_next_offsets
from projections.lane import DEFAULT_BACKOFF, Backoff, ProjectionLane
from projections.records import ProjectionRecord
from runtime.database import DatabaseUnavailable, Pool, unavailable_as
from runtime.exits import Die, die
from runtime.logs import logger

log = logger(__name__)
Partition = tuple[str, int]


class ProjectionLanes:
    """Keeps one running lane per partition that this worker owns."""

    def __init__(
        self,
        pool: Pool,
        *,
        namespace: str = "",
        die: Die = die,
        backoff: Backoff = DEFAULT_BACKOFF,
    ) -> None:
        self._pool = pool
        self._namespace = namespace
        self._die = die
        self._backoff = backoff
        self._lanes: dict[Partition, ProjectionLane] = {}
        self._assigned = False

    @property
    def ready(self) -> bool:
        """Whether partitions were assigned and none of their lanes waits for Postgres."""
        return self._assigned and not any(
            lane.waiting_for_database for lane in self._lanes.values()
        )

    @property
    def caught_up(self) -> bool:
        """Whether every lane has applied all that is known to be on its partition."""
        return self._assigned and all(lane.caught_up for lane in self._lanes.values())

    @property
    def next_offsets(self) -> dict[Partition, int]:
        """Where each lane stands: the offset of the first record that it has not applied."""
        return {partition: lane.next_offset for partition, lane in self._lanes.items()}

    @property
    def lags(self) -> dict[Partition, int]:
        """Records between each lane and the end of its partition, as far as it is known."""
        return {partition: lane.lag_records for partition, lane in self._lanes.items()}

    async def assigned(
        self, partitions_by_topic: Mapping[str, Iterable[int]]
    ) -> dict[Partition, int]:
        """Run lanes for exactly these partitions; say where each is to be read from.

        Guarantee: returns only once Postgres has told the offsets, however long that takes; cancel
        it to give up. Lanes that ran before are closed first.
        """
        await self.close()
        wanted = [(topic, n) for topic, numbers in partitions_by_topic.items() for n in numbers]
        offsets = await self._load_offsets(wanted)
        for topic, number in wanted:
            lane = ProjectionLane(
                self._pool,
                self._table_name(topic),
                number,
                offsets[topic, number],
                die=self._die,
                backoff=self._backoff,
            )
            lane.start()
            self._lanes[topic, number] = lane
        self._assigned = True
        places = {f"{topic}[{n}]": offset for (topic, n), offset in offsets.items()}
        log.info("projection_lanes_started", next_offsets=places)
        return offsets

    async def revoked(self, partitions: Iterable[Partition] | None = None) -> None:
        """Close the lanes of these partitions, or all; the next owner goes on from Postgres."""
        lost = list(self._lanes) if partitions is None else list(partitions)
        lanes = [lane for lane in (self._lanes.pop(p, None) for p in lost) if lane is not None]
        if not self._lanes:
            self._assigned = False
        await asyncio.gather(*(lane.close() for lane in lanes))

    async def close(self) -> None:
        """Close every lane."""
        await self.revoked()

    async def put(
        self,
        topic: str,
        partition: int,
        record: ProjectionRecord,
        *,
        previous_offset: int | None = None,
    ) -> None:
        """Give a record to its lane; one of a partition that was lost meanwhile is dropped."""
        lane = self._lanes.get((topic, partition))
        if lane is not None:
            await lane.put(record, previous_offset)

    def note_ends(self, end_offsets: Mapping[Partition, int]) -> None:
        """Tell the lanes where their partitions end, for lag and `caught_up`."""
        for partition, end_offset in end_offsets.items():
            if partition in self._lanes:
                self._lanes[partition].note_end(end_offset)

    async def _load_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        names = {(self._table_name(topic), n): (topic, n) for topic, n in partitions}
        attempt = 0
        while True:
            try:
                with unavailable_as():
                    async with self._pool.acquire() as connection:
                        offsets = await load_next_offsets(connection, names)
            except DatabaseUnavailable as error:
                attempt += 1
                log.warning("database_away", attempt=attempt, error=str(error))
                await asyncio.sleep(self._backoff.seconds(attempt))
            else:
                return {names[name]: offset for name, offset in offsets.items()}

    def _table_name(self, topic: str) -> str:
        return topic.removeprefix(self._namespace)
