"""Reads a lane's state topic to its end; no Faust on this path."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.event_log.states import StateCodec

# The key of the record that holds the next offset of each input topic.
POSITIONS_KEY = "positions"
# 60 s without one record more: the broker is gone, and the worker starts again.
PROGRESS_TIMEOUT_SECONDS = 60.0
IsolationLevel = Literal["read_committed", "read_uncommitted"]
_positions = msgspec.json.Decoder(dict[str, int])


class StateError(Exception):
    """The state topic and the input topics contradict each other; no worker may go on."""


def encode_positions(positions: Mapping[str, int]) -> bytes:
    """Write the next offset of each input topic."""
    return msgspec.json.encode(positions)


@asynccontextmanager
async def log_reader(
    bootstrap_servers: str,
    isolation_level: IsolationLevel,
    consumer_of: Callable[..., Any] = AIOKafkaConsumer,
) -> AsyncIterator[Any]:
    """Give a consumer that belongs to no group.

    Raises: TimeoutError or aiokafka's KafkaError when the broker does not answer.
    """
    reader = consumer_of(
        bootstrap_servers=bootstrap_servers,
        isolation_level=isolation_level,
        # With the default, a seek can race and start at the end.
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        request_timeout_ms=30_000,
    )
    await asyncio.wait_for(reader.start(), PROGRESS_TIMEOUT_SECONDS)
    try:
        yield reader
    finally:
        await reader.stop()


async def read_states(
    reader: Any,  # noqa: ANN401  aiokafka has no types
    source: TopicPartition,
    codec: StateCodec,
) -> tuple[dict[str, bytes], dict[str, int]]:
    """Fold one partition of a state topic into the bytes of its states and input positions.

    Raises: TimeoutError when the broker stops answering; StateError for a key of a kind that this
    version does not know.
    Guarantee: sees everything that was committed before the call.
    """
    newest: dict[bytes, bytes | None] = {}
    reader.assign([source])
    end = (await reader.end_offsets([source]))[source]
    await reader.seek_to_beginning(source)
    while await asyncio.wait_for(reader.position(source), PROGRESS_TIMEOUT_SECONDS) < end:
        batches = await asyncio.wait_for(
            reader.getmany(timeout_ms=1000, max_records=5000), PROGRESS_TIMEOUT_SECONDS
        )
        newest.update((record.key, record.value) for record in batches.get(source, ()))
    positions = newest.pop(POSITIONS_KEY.encode(), None)
    # A tombstone stays on the topic until the broker has compacted it away.
    kept = {key.decode(): value for key, value in newest.items() if value}
    for key in kept:
        if not codec.knows(key):
            raise StateError(
                f"{source.topic}[{source.partition}] holds {key!r}, written by a newer version"
            )
    return kept, _positions.decode(positions) if positions else {}


async def input_bounds(
    reader: Any,  # noqa: ANN401  aiokafka has no types
    topics: Iterable[str],
    partition: int,
) -> dict[TopicPartition, tuple[int, int]]:
    """Give the first offset and the end of each input topic.

    To be asked before anything is read: a broker answers the requests of one connection in turn,
    and a fetch at the end of a topic waits there for half a second.
    """
    sources = [TopicPartition(topic, partition) for topic in topics]
    ends, begins = await asyncio.gather(
        reader.end_offsets(sources), reader.beginning_offsets(sources)
    )
    return {source: (begins[source], ends[source]) for source in sources}


def check_positions(
    bounds: Mapping[TopicPartition, tuple[int, int]], positions: Mapping[str, int]
) -> None:
    """Refuse positions that the input topics cannot have led to.

    Raises: StateError if a topic ends before its position (it was made anew or cut) or begins
    after it (records were removed before anybody decided them).
    """
    for source, (begin, end) in bounds.items():
        position = positions.get(source.topic, 0)
        name = f"{source.topic}[{source.partition}]"
        if position > end:
            raise StateError(
                f"{name} ends at {end}, but its next record to "
                f"decide is {position}: the topic was made anew or cut; restore it, or remove "
                "the state topics to decide everything again"
            )
        if begin > position:
            raise StateError(
                f"{name} begins at {begin}, but its next record "
                f"to decide is {position}: undecided records were removed"
            )
