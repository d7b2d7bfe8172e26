"""Puts a world on a real broker, in Postgres and in a media store, as the processes would."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

from domain.generation_commands import RecordMedia, RecordOutput
from projections.batches import apply_batch
from projections.records import ProjectionRecord
from runtime.database import open_pool
from runtime.event_log.state_reader import POSITIONS_KEY, encode_positions
from runtime.partitions import partition_of
from runtime.settings import Settings
from schemas.codec import Record, encode
from schemas.envelope import Envelope
from tests.replay.world import LOG_TOPICS, World, media

STATES = ("ledger.state", "generation.state")
VIDEO = b"0" * 2000
PARTITION = partition_of("alice", 2)


def world_with_media(folder: Path) -> World:
    """One account with a delivered video, whose file is there, and a failed one."""
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.submit("j1")
    promise = media("j1", len(VIDEO), sha256(VIDEO).hexdigest())
    world.learn("j1", RecordOutput(world.now, "files/1"), RecordMedia(world.now, promise))
    world.request("j2")
    world.run()
    world.fail("j2")
    path = folder / promise.object_key
    path.parent.mkdir(parents=True)
    path.write_bytes(VIDEO)
    return world


@asynccontextmanager
async def transactions(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers, transactional_id=f"test-{uuid4()}"
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, settings: Settings, topic: str, record: Record) -> None:
    await producer.send_and_wait(
        settings.namespace + topic,
        record.value,
        record.key,
        PARTITION,
        headers=list(record.headers),
    )


@asynccontextmanager
async def put_new_on_tape(
    settings: Settings, world: World
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give a call that writes what the world has made since the last one, and its states whole."""
    written = {topic: len(world.log[topic]) for topic in LOG_TOPICS}
    keys: dict[str, set[str]] = {name: set(world.states.get(name, {})) for name in STATES}

    async def put() -> None:
        async with transactions(settings) as producer:
            for topic in LOG_TOPICS:
                for _, envelope in world.log[topic][written[topic] :]:
                    async with producer.transaction():
                        await send(producer, settings, topic, encode(envelope))
                written[topic] = len(world.log[topic])
            async with producer.transaction():
                for name in STATES:
                    states = world.states.get(name, {})
                    for gone in keys[name] - set(states):
                        await send(producer, settings, name, Record(gone.encode(), None, ()))
                    keys[name] |= set(states)
                    for record in _state_records(settings, world, name):
                        await send(producer, settings, name, record)

    yield put


async def put_on_tape(settings: Settings, world: World) -> None:
    """Write every record in a transaction of its own, so that offsets are as in the world."""
    states = [(name, record) for name in STATES for record in _state_records(settings, world, name)]
    events = [(topic, encode(envelope)) for topic in LOG_TOPICS for _, envelope in world.log[topic]]
    async with transactions(settings) as producer:
        for topic, record in [*states, *events]:
            async with producer.transaction():
                await send(producer, settings, topic, record)


async def abort_on_tape(settings: Settings, topic: str, envelope: Envelope) -> None:
    """Write an event and take it back."""
    async with transactions(settings) as producer:
        await producer.begin_transaction()
        await send(producer, settings, topic, encode(replace(envelope, event_id=str(uuid4()))))
        await producer.abort_transaction()


async def project(settings: Settings, world: World) -> None:
    """Apply the topics with the projections' own code."""
    pool = await open_pool(settings)
    try:
        async with pool.acquire() as connection:
            for topic in LOG_TOPICS:
                records = [
                    ProjectionRecord(offset, record.key, record.value, record.headers)
                    for offset, envelope in world.log[topic]
                    for record in [encode(envelope)]
                ]
                await apply_batch(connection, topic, PARTITION, records)
    finally:
        await pool.close()


async def execute(settings: Settings, statement: str) -> None:
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _state_records(settings: Settings, world: World, topic: str) -> list[Record]:
    states = world.states.get(topic, {})
    positions = _positions(settings, world, topic.removesuffix(".state"))
    return [Record(k.encode(), v, ()) for k, v in [*states.items(), (POSITIONS_KEY, positions)]]


def _positions(settings: Settings, world: World, name: str) -> bytes:
    positions = {settings.namespace + topic: at for topic, at in world.positions[name].items()}
    return encode_positions(positions)
