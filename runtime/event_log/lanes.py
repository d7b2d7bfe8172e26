"""The lanes of one worker: opened for the partitions it is given, closed for those it loses."""

import asyncio
from collections.abc import Iterable, Mapping

from runtime import metrics
from runtime.event_log.access import KAFKA, LogAccess
from runtime.event_log.lane import Lane
from runtime.event_log.program import InputRecord, Program
from runtime.exits import Die
from runtime.logs import logger
from runtime.settings import Settings

log = logger(__name__)


class Lanes:
    """Keeps one open lane per partition number that this worker owns in every input topic."""

    def __init__(
        self, program: Program, settings: Settings, die: Die, access: LogAccess = KAFKA
    ) -> None:
        self._program = program
        self._settings = settings
        self._die = die
        self._access = access
        self._topics = [settings.namespace + topic.name for topic in program.inputs]
        self._opening: dict[int, asyncio.Task[Lane]] = {}
        self._assigned_once = False

    @property
    def ready(self) -> bool:
        """Whether every lane of the last assignment is open."""
        return self._assigned_once and all(task.done() for task in self._opening.values())

    @property
    def partitions(self) -> list[int]:
        """The partition numbers of this worker."""
        return sorted(self._opening)

    async def assigned(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Open a lane for each partition number; the lanes open beside each other."""
        await self.revoked()
        by_topic: dict[str, set[int]] = {topic: set() for topic in self._topics}
        for topic, partition in partitions:
            by_topic[topic].add(partition)
        numbers = by_topic[self._topics[0]]
        if any(owned != numbers for owned in by_topic.values()):
            self._die(f"a lane needs its partition number in every input topic, got {by_topic}")
        self._opening = {n: asyncio.create_task(self._open(n)) for n in sorted(numbers)}
        self._assigned_once = True

    async def start_offsets(self, _: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Leave it to the group's offsets, which the lanes commit with their transactions."""
        return {}

    async def _open(self, partition: int) -> Lane:
        lane = Lane(self._program, partition, self._settings, self._die, self._access)
        try:
            await lane.open()
        except Exception as error:  # noqa: BLE001  whatever it is: no lane, no worker
            self._die(f"lane {self._program.name}-{partition} did not open: {error!r}")
        metrics.lanes_open.labels(self._program.name).inc()
        return lane

    async def revoked(self) -> None:
        """Close all lanes; what they had not committed goes to their next owners."""
        opening, self._opening = self._opening, {}
        if not opening:
            return
        lanes = await asyncio.gather(*opening.values())
        await asyncio.gather(*(lane.close() for lane in lanes))
        metrics.lanes_open.labels(self._program.name).dec(len(lanes))

    async def put(self, partition: int, record: InputRecord) -> None:
        """Give a record to its lane; one of a partition that was lost meanwhile is dropped."""
        task = self._opening.get(partition)
        if task is None:
            return
        lane = task.result() if task.done() else await asyncio.shield(task)
        await lane.put(record)
