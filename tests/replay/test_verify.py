"""The whole of it, on a real broker, a real Postgres and a real folder of media."""

from pathlib import Path

import pytest

from replay.billing import SubmissionRow
from replay.checks import Report
from replay.verify import verify
from runtime.settings import Settings
from runtime.topics import TopicError
from schemas.codec import Record, encode
from tests.replay.tape import (
    PARTITION,
    abort_on_tape,
    execute,
    project,
    put_on_tape,
    send,
    transactions,
    world_with_media,
)
from tests.replay.world import World, media, only_violation, uuid, violations

SUBMISSIONS = [
    SubmissionRow(
        "google", "veo", f"op-{job}", f"prompt of {job}", "2026-11-21T12:00:00Z", billed=True
    )
    for job in ("j1", "j2")
]


@pytest.fixture
async def world(settings: Settings, tmp_path: Path) -> World:
    """A world that is on the tape, shown in Postgres, and whose media are stored."""
    world = world_with_media(tmp_path)
    await put_on_tape(settings, world)
    await project(settings, world)
    return world


async def verified(settings: Settings, world: World, *, strict_end: bool = True) -> Report:
    return await verify(settings, submissions=SUBMISSIONS, now=world.now, strict_end=strict_end)


async def test_a_system_at_rest_keeps_every_invariant(settings: Settings, world: World):
    await abort_on_tape(settings, "ledger.events", world.log["ledger.events"][0][1])
    report = await verified(settings, world)
    assert violations(report) == {}
    untouched = [check.name for check in report.checks if not check.looked_at]
    # No refund by hand, no open job, no broken record.
    assert untouched == ["hand_refunds", "generation_state", "dead_letters"]
    assert report.totals.jobs_by_status == {"completed": 1, "failed": 1}
    assert report.totals.events_by_topic == {
        topic: len(entries) for topic, entries in world.log.items()
    }


async def test_an_empty_system_is_right_too(settings: Settings):
    report = await verify(settings, submissions=[], now=World().now, strict_end=True)
    assert violations(report) == {}


async def test_a_duplicate_on_the_tape_is_found_with_its_offset(settings: Settings, world: World):
    duplicate = encode(world.log["requests"][0][1])
    async with transactions(settings) as producer, producer.transaction():
        await send(producer, settings, "requests", duplicate)
    text = only_violation(await verified(settings, world), "event_ids")
    assert text == f"one event id stands at requests[{PARTITION}]@0, requests[{PARTITION}]@6"


async def test_a_state_that_is_gone_is_found(settings: Settings, world: World):
    async with transactions(settings) as producer, producer.transaction():
        await send(producer, settings, "ledger.state", Record(b"account/alice", None, ()))
    text = only_violation(await verified(settings, world), "ledger_state")
    assert text.startswith(f"ledger.state[{PARTITION}] key account/alice has no such key")


async def test_rows_that_differ_are_found_in_every_read_model(settings: Settings, world: World):
    await execute(settings, "UPDATE accounts SET granted_credits = 101")
    await execute(settings, "DELETE FROM credit_transactions WHERE sequence = 2")
    await execute(settings, "UPDATE generations SET sha256 = 'x' WHERE status = 'completed'")
    found = violations(await verified(settings, world))
    assert found["accounts"] == ["accounts alice: granted_credits is 101, the log says 100"]
    assert found["credit_transactions"] == ["credit_transactions alice 2: the row is missing"]
    assert found["generations"][0].startswith(f"generations {uuid('j1')}: sha256 is 'x'")


async def test_rows_of_accounts_that_the_log_does_not_know_are_found(
    settings: Settings, world: World
):
    await execute(
        settings,
        "INSERT INTO accounts SELECT 'mallory', 1, 0, 0, 1, 1, now() FROM accounts LIMIT 1",
    )
    assert only_violation(await verified(settings, world), "accounts") == (
        "accounts has 1 rows of accounts that the log does not know: mallory"
    )


async def test_offsets_beyond_the_end_of_the_log_are_found(settings: Settings, world: World):
    await execute(
        settings, "UPDATE projection_offsets SET next_offset = 99 WHERE topic = 'requests'"
    )
    text = only_violation(await verified(settings, world), "generations")
    assert text.startswith(f"projection_offsets requests {PARTITION}: 99 is beyond the end")


async def test_a_missing_file_is_found(settings: Settings, world: World, tmp_path: Path):
    (tmp_path / media("j1").object_key).unlink()
    assert f"of job {uuid('j1')} is missing" in only_violation(
        await verified(settings, world), "media"
    )


async def test_an_open_transaction_is_not_taken_for_a_difference(settings: Settings, world: World):
    async with transactions(settings) as producer:
        await producer.begin_transaction()
        await send(producer, settings, "ledger.state", Record(b"account/alice", None, ()))
        report = await verified(settings, world, strict_end=False)
        await producer.abort_transaction()
    assert violations(report) == {}
    notes = {check.name: check.note for check in report.checks}
    assert notes["ledger_state"] == f"partition {PARTITION} is not at rest"


async def test_without_postgres_the_log_is_still_checked(settings: Settings, world: World):
    away = settings.model_copy(
        update={"database_url": type(settings.database_url)("postgresql://127.0.0.1:1/none")}
    )
    report = await verified(away, world, strict_end=False)
    assert violations(report) == {}
    notes = [check.note for check in report.checks if check.name == "accounts"]
    assert "the database is away" in notes[0]
    strict = violations(await verified(away, world))
    assert set(strict) == {"accounts", "credit_transactions", "generations"}


async def test_topics_that_are_not_there_are_an_error_and_are_not_made(settings: Settings):
    other = settings.model_copy(update={"namespace": "nobody."})
    with pytest.raises(TopicError, match=r"no topic .*nobody\.requests"):
        await verify(other, submissions=None, now=World().now, strict_end=False)


async def test_another_partition_count_is_an_error_that_says_what_to_set(settings: Settings):
    other = settings.model_copy(update={"partition_count": 3})
    with pytest.raises(TopicError, match="TAPEWORKS_PARTITION_COUNT=2"):
        await verify(other, submissions=None, now=World().now, strict_end=False)
