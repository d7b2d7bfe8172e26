"""The Faust app of the projections: its agents feed the lanes that write the read models."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from projections.lanes import ProjectionLanes
from projections.records import ProjectionRecord
from runtime.database import open_pool
from runtime.event_log.program import InputRecord
from runtime.settings import Settings
from runtime.worker import TapeApp, create_app
from schemas.topics import PUBLIC_TOPICS

NAME = "projections"


class ProjectionFeed:
    """Gives the records of this worker's partitions to their lanes, from Postgres' own offsets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lanes: ProjectionLanes | None = None

    @property
    def ready(self) -> bool:
        """Whether every partition is served and Postgres answers."""
        return self._lanes is not None and self._lanes.ready

    async def assigned(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Do nothing yet: the lanes start when their offsets are asked for, just before reading."""

    async def start_offsets(
        self, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], int]:
        """Start a lane per partition; waits for as long as Postgres is away."""
        numbers: dict[str, list[int]] = defaultdict(list)
        for topic, partition in partitions:
            numbers[topic].append(partition)
        lanes = await self._open_lanes()
        return await lanes.assigned(numbers)

    async def revoked(self) -> None:
        """Close all lanes; their next owners go on from Postgres."""
        if self._lanes is not None:
            await self._lanes.revoked()

    async def put(self, partition: int, record: InputRecord) -> None:
        """Give a record to its lane."""
        if self._lanes is not None:
            await self._lanes.put(
                record.topic,
                partition,
                ProjectionRecord(record.offset, record.key, record.value, record.headers),
                previous_offset=record.previous_offset,
            )

    async def _open_lanes(self) -> ProjectionLanes:
        if self._lanes is None:
            # The pool belongs to the loop that Faust runs, which is not there before.
            pool = await open_pool(self._settings, application_name="tapeworks-projections")
            self._lanes = ProjectionLanes(pool, namespace=self._settings.namespace)
        return self._lanes


def projections_app(settings: Settings) -> TapeApp:
    """Make the app."""
    topics = [topic.name for topic in PUBLIC_TOPICS]
    return create_app(NAME, settings, topics, ProjectionFeed(settings))
