"""Lanes on a real Postgres that dies, and records that cannot be applied."""

import asyncio
import time
from collections.abc import Callable

import asyncpg
import pytest

from projections.lane import Backoff, ProjectionLane
from projections.lanes import ProjectionLanes
from projections.migrate import migrate
from projections.records import ProjectionRecord
from runtime.database import open_pool
from schemas.ledger import CreditsRefunded
from tests.projections.conftest import settings_for
from tests.projections.postgres_server import PostgresServer
from tests.projections.stories import GENERATION, LEDGER, REQUESTS, TOPICS, every_ending
from tests.projections.tables import apply_all, dump, empty

STORY = every_ending()
QUICK = Backoff(seconds_first=0.01, seconds_max=0.05)
DEADLINE_SECONDS = 15.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for progress, with a deadline and a sentence for whoever reads the failure."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s until {what}"
        await asyncio.sleep(0.005)


@pytest.fixture
def deaths() -> list[str]:
    return []


def lane_on(pool, topic, deaths, next_offset=0) -> ProjectionLane:
    lane = ProjectionLane(pool, topic, 0, next_offset, die=deaths.append, backoff=QUICK)
    lane.start()
    return lane


async def put_all(lane: ProjectionLane) -> None:
    for record in STORY.tape[lane.topic]:
        await lane.put(record)


async def test_lanes_beside_each_other_come_to_the_tables_of_the_log(pool, deaths):
    lanes = [lane_on(pool, topic, deaths) for topic in TOPICS]
    for _ in range(2):  # The second time every record is dropped: it was put before.
        await asyncio.gather(*(put_all(lane) for lane in lanes))
        await until(lambda: all(lane.caught_up for lane in lanes), "all lanes caught up")
    live = await dump(pool)
    await asyncio.gather(*(lane.close() for lane in lanes))
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint(f"{t}-0" for t in TOPICS)
    await empty(pool)
    await apply_all(pool, STORY.tape)
    assert await dump(pool) == live
    assert deaths == []


async def test_torture_4_a_killed_postgres_is_waited_for_and_nothing_is_dropped(deaths):
    server = PostgresServer()
    try:
        server.start()
        pool = await open_pool(settings_for(server.dsn()))
        await migrate(pool)
        lanes = [lane_on(pool, topic, deaths) for topic in TOPICS]
        # 1. The ledger's batch has written its rows and waits for one table when the kill comes.
        blocker = await asyncpg.connect(server.dsn())
        await blocker.execute("BEGIN; LOCK TABLE credit_transactions")
        await asyncio.gather(*(put_all(lane) for lane in lanes))
        await _until_blocked(pool)
        server.kill()
        # 2. While it is away the lanes wait, batch in hand.
        await until(lambda: lanes[1].waiting_for_database, "the ledger's lane noticed")
        assert lanes[1].next_offset == 0
        newcomer = ProjectionLanes(pool, die=deaths.append, backoff=QUICK)
        assigning = asyncio.create_task(newcomer.assigned({REQUESTS: [1]}))
        server.start()
        # 3. They go on by themselves, and so does a worker that started meanwhile.
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert await assigning == {(REQUESTS, 1): 0}
        await until(lambda: all(lane.caught_up for lane in lanes), "all lanes caught up")
        assert not lanes[1].waiting_for_database
        after = await dump(pool)
        await empty(pool)
        await apply_all(pool, STORY.tape)
        assert await dump(pool) == after
        await asyncio.gather(newcomer.close(), *(lane.close() for lane in lanes))
        await pool.close()
        assert deaths == []
    finally:
        server.stop()


async def _until_blocked(pool) -> None:
    blocked, deadline = 0, time.monotonic() + DEADLINE_SECONDS
    while not blocked:
        assert time.monotonic() < deadline, "the ledger's batch never came to the locked table"
        blocked = await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")


async def test_a_record_that_cannot_be_applied_is_found_and_ends_the_process(pool, deaths):
    events = STORY.events[LEDGER]
    culprit = next(n for n, event in enumerate(events) if isinstance(event, CreditsRefunded))
    await pool.execute("ALTER TABLE credit_transactions ADD CHECK (description NOT LIKE 'Refund%')")
    lane = lane_on(pool, LEDGER, deaths)
    await put_all(lane)
    await until(lambda: bool(deaths), "the lane gave up")
    await lane.close()
    offset = STORY.tape[LEDGER][culprit].offset
    assert len(deaths) == 1
    assert f"ledger.events[0] at offset {offset}: CheckViolationError" in deaths[0]
    # What stands before it has been applied, and nothing after it.
    sequences = await pool.fetchval("SELECT sum(sequence) FROM accounts")
    assert sequences == culprit


async def test_a_gap_in_the_ledger_ends_the_process_and_names_the_place(pool, deaths):
    lane = lane_on(pool, LEDGER, deaths)
    for record in [*STORY.tape[LEDGER][:2], *STORY.tape[LEDGER][3:]]:
        await lane.put(record)
    await until(lambda: bool(deaths), "the lane gave up")
    await lane.close()
    assert "SequenceGapError" in deaths[0]
    assert "ledger.events[0] at offset 6:" in deaths[0]


async def test_a_record_lost_on_the_way_ends_the_process(pool, deaths):
    first, _, third, *_ = STORY.tape[GENERATION]
    lane = lane_on(pool, GENERATION, deaths)
    await lane.put(first, previous_offset=-1)
    await lane.put(third, previous_offset=third.offset - 2)
    await lane.close()
    assert deaths == ["generation.events[0]: records 1 to 2 never reached the projection"]


async def test_a_closed_lane_lets_waiting_putters_go(pool, deaths):
    lane = ProjectionLane(pool, REQUESTS, 0, 0, die=deaths.append)
    record = STORY.tape[REQUESTS][0]
    many = [ProjectionRecord(n, record.key, record.value, record.headers) for n in range(1001)]

    async def put_many() -> None:
        for one in many:
            await lane.put(one)

    putting = asyncio.create_task(put_many())
    await until(lambda: lane.lag_records == 1001, "the queue is full")
    await lane.close()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await putting


def topic_map() -> dict[str, list[int]]:
    return {f"blue.{topic}": [0] for topic in TOPICS}


async def test_a_new_owner_goes_on_where_postgres_says(pool, deaths):
    lanes = ProjectionLanes(pool, namespace="blue.", die=deaths.append, backoff=QUICK)
    assert not lanes.ready
    offsets = await lanes.assigned(topic_map())
    assert set(offsets.values()) == {0}
    assert lanes.ready
    for topic in TOPICS:
        for record in STORY.tape[topic][:4]:
            await lanes.put(f"blue.{topic}", 0, record)
    await until(lambda: lanes.caught_up, "the first four of each are applied")
    # The new owner takes over while the old one still has its lanes.
    other = ProjectionLanes(pool, namespace="blue.", die=deaths.append, backoff=QUICK)
    assert set((await other.assigned(topic_map())).values()) == {7}
    for topic in TOPICS:
        for record in STORY.tape[topic]:
            await asyncio.gather(
                other.put(f"blue.{topic}", 0, record), lanes.put(f"blue.{topic}", 0, record)
            )
    await until(lambda: lanes.caught_up and other.caught_up, "both are through")
    await lanes.revoked()
    await lanes.put("blue.requests", 0, STORY.tape[REQUESTS][0])
    await other.close()
    live = await dump(pool)
    await empty(pool)
    await apply_all(pool, STORY.tape)
    assert await dump(pool) == live
    assert not lanes.ready
    assert deaths == []


@pytest.mark.parametrize(
    ("attempt", "least", "most"), [(1, 0.1, 0.2), (2, 0.2, 0.4), (6, 2.5, 5), (999, 2.5, 5)]
)
def test_waits_double_up_to_a_cap_and_are_spread(attempt, least, most):
    waits = {Backoff().seconds(attempt) for _ in range(50)}
    assert least <= min(waits) < max(waits) <= most
