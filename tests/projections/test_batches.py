"""Batches on a real Postgres: rows and offset move together, once, in any order of topics."""

import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.credits import SequenceGapError
from projections.records import ProjectionRecord
from schemas.ledger import CreditsSettled
from tests.projections.stories import (
    GENERATION,
    LEDGER,
    REQUESTS,
    TOPICS,
    Story,
    every_ending,
    job_id,
)
from tests.projections.tables import applied_twice_and_rebuilt, apply, apply_all, dump, empty

STORY = every_ending()
FAILED_WITHOUT_REFUND = """
SELECT count(*) FROM generations AS job
WHERE status = 'failed' AND NOT EXISTS (
    SELECT FROM credit_transactions AS refund JOIN accounts USING (account_id)
    WHERE refund.job_id = job.job_id AND refund.amount_credits = job.refunded_credits
        AND refund.amount_credits = job.price_credits AND accounts.sequence >= refund.sequence
)
"""


async def test_i16_applied_twice_and_rebuilt_the_tables_are_the_same(pool):
    tables = await applied_twice_and_rebuilt(pool, STORY.tape)
    assert [len(tables[name]) for name in ("generations", "accounts")] == [9, 2]
    assert {row["topic"]: row["next_offset"] for row in tables["projection_offsets"]} == {
        topic: 2 * len(STORY.tape[topic]) - 1 for topic in TOPICS
    }


async def test_s0_64_s0_89_a_completed_job_shows_all_that_was_asked_and_made(pool):
    tables = await applied_twice_and_rebuilt(pool, STORY.tape)
    done = next(r for r in tables["generations"] if str(r["job_id"]) == job_id("done"))
    assert done["created_at"] == STORY.events[REQUESTS][0].occurred_at
    shown = {name: value for name, value in done.items() if not name.endswith("_at")}
    assert shown == {
        "job_id": done["job_id"],
        "account_id": "ada",
        "status": "completed",
        "model": "veo-3.1",
        "duration_seconds": 8,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "prompt": "a fox " * 40,
        "negative_prompt": "rain",
        "image_url": None,
        "price_credits": 80,
        "operation_id": f"operations/{job_id('done')}",
        "provider": "google",
        "provider_state": "running",
        "progress_percent": 80,
        "queue_position": 1,
        "provider_video_id": "video_1",
        "content_type": "video/mp4",
        "object_key": f"generations/{job_id('done')}.mp4",
        "size_bytes": 123_456,
        "sha256": "b" * 64,
        "duration_ms": 8_000,
        "width_pixels": 1280,
        "height_pixels": 720,
        "frames_per_second": 24.0,
        "cost_micro_dollars": 3_200_000,
        "decline_code": None,
        "decline_details": None,
        "failure": None,
        "refunded_credits": None,
        "replay_of": None,
    }


async def test_s0_90_i01_each_balance_is_the_sum_of_its_rows(pool):
    tables = await applied_twice_and_rebuilt(pool, STORY.tape)
    for account in tables["accounts"]:
        rows = [
            r for r in tables["credit_transactions"] if r["account_id"] == account["account_id"]
        ]
        amounts = [row["amount_credits"] for row in rows]
        assert account["available_credits"] == sum(a for a in amounts if isinstance(a, int))
    ada = tables["accounts"][0]
    assert (ada["available_credits"], ada["settled_credits"], ada["reserved_credits"]) == (
        240,
        160,
        0,
    )


steps = st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(1, 12)), max_size=40)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps, rest=st.permutations(TOPICS))
async def test_i14_i09_no_order_of_topics_and_no_cut_of_batches_changes_the_tables(
    pool, steps, rest
):
    await empty(pool)
    await apply_all(pool, STORY.tape)
    expected = await dump(pool)
    await empty(pool)
    waiting = {topic: list(STORY.tape[topic]) for topic in TOPICS}
    for topic, size in [*steps, *((topic, 500) for topic in rest)]:
        batch, waiting[topic] = waiting[topic][:size], waiting[topic][size:]
        await apply(pool, topic, batch)
        assert await pool.fetchval(FAILED_WITHOUT_REFUND) == 0
    assert await dump(pool) == expected


async def test_i14_events_written_twice_to_the_log_count_once(pool):
    await apply_all(pool, STORY.tape)
    once = await dump(pool)
    for topic in TOPICS:
        end = 2 * len(STORY.tape[topic])
        again = [
            ProjectionRecord(end + r.offset, r.key, r.value, r.headers) for r in STORY.tape[topic]
        ]
        applied = await apply(pool, topic, again)
        assert applied == (0 if topic == LEDGER else len(again))
    twice = await dump(pool)
    for table in ("generations", "accounts", "credit_transactions"):
        assert twice[table] == once[table]


async def test_a_batch_that_overlaps_what_was_applied_counts_only_the_rest(pool):
    records = STORY.tape[GENERATION]
    await apply(pool, GENERATION, records[:3])
    assert await apply(pool, GENERATION, records) == len(records) - 3


async def test_i20_an_end_is_never_left_not_even_for_another_end(pool):
    story = Story()
    story.grant("ada", 200)
    job = story.request("ada", "one")
    story.request("ada", "another")
    story.fail(job)
    # No ledger writes this: the read model keeps the first end all the same.
    settled = CreditsSettled(
        account_id="ada",
        occurred_at=story.tick(),
        sequence=5,
        balance_after=120,
        job_id=job,
        price_credits=80,
        outcome="cancelled",
    )
    story.write(settled)
    tables = await applied_twice_and_rebuilt(pool, story.tape)
    row = next(r for r in tables["generations"] if str(r["job_id"]) == job)
    assert (row["status"], row["refunded_credits"]) == ("failed", 80)


async def test_s0_77_an_event_of_another_account_changes_nobodys_row(pool):
    story = Story()
    job = story.request("ada", "one")
    mine = {
        r["job_id"]: r for r in (await applied_twice_and_rebuilt(pool, story.tape))["generations"]
    }
    story.owners[job] = "eve"
    story.submit(job)
    await empty(pool)
    after = await applied_twice_and_rebuilt(pool, story.tape)
    assert {r["job_id"]: r for r in after["generations"]} == mine


async def test_two_workers_that_apply_one_batch_at_once_apply_it_once(pool):
    await apply_all(pool, {**STORY.tape, LEDGER: []})
    batch = STORY.tape[LEDGER]
    counts = await asyncio.gather(*(apply(pool, LEDGER, batch) for _ in range(4)))
    assert sorted(counts) == [0, 0, 0, len(batch)]
    at_once = await dump(pool)
    await empty(pool)
    await apply_all(pool, STORY.tape)
    assert await dump(pool) == at_once


async def test_the_lanes_of_three_topics_beside_each_other_come_to_the_same_tables(pool):
    async def stream(topic: str) -> None:
        for record in STORY.tape[topic]:
            await apply(pool, topic, [record])

    await asyncio.gather(*(stream(topic) for topic in TOPICS))
    beside = await dump(pool)
    assert beside == await applied_twice_and_rebuilt_from_nothing(pool)


async def applied_twice_and_rebuilt_from_nothing(pool):
    await empty(pool)
    return await applied_twice_and_rebuilt(pool, STORY.tape)


async def test_a_gap_in_an_accounts_ledger_stops_and_leaves_no_trace(pool):
    first, *others = STORY.tape[LEDGER]
    await apply(pool, LEDGER, [first])
    before = await dump(pool)
    with pytest.raises(SequenceGapError, match="account ada: expected ledger event 2, found 3"):
        await apply(pool, LEDGER, [others[0], *others[2:]])
    assert await dump(pool) == before


async def test_a_record_that_breaks_the_contract_is_passed_over_and_noted(pool):
    good = STORY.tape[REQUESTS]
    broken = ProjectionRecord(1, b"ada", b"\xff not json \x00", good[0].headers)
    empty_record = ProjectionRecord(3, b"ada", None, ())
    stray = ProjectionRecord(
        5, *(getattr(STORY.tape[LEDGER][0], n) for n in ("key", "value", "headers"))
    )
    tape = {**STORY.tape, REQUESTS: sorted([*good, broken, empty_record, stray], key=_offset)}
    tables = await applied_twice_and_rebuilt(pool, tape)
    assert [(s["topic"], s["record_offset"], s["reason"]) for s in tables["projection_skips"]] == [
        (REQUESTS, 1, "bad_body"),
        (REQUESTS, 3, "empty_value"),
        (REQUESTS, 5, "wrong_topic"),
    ]
    await empty(pool)
    await apply_all(pool, STORY.tape)
    assert (await dump(pool))["generations"] == tables["generations"]


def _offset(record: ProjectionRecord) -> int:
    return record.offset


async def test_a_batch_that_fails_in_the_database_leaves_rows_and_offset_as_they_were(pool):
    await pool.execute("ALTER TABLE credit_transactions ADD CHECK (sequence < 5)")
    before = await dump(pool)
    with pytest.raises(asyncpg.CheckViolationError):
        await apply(pool, LEDGER, STORY.tape[LEDGER])
    assert await dump(pool) == before


async def test_i09_the_database_itself_refuses_a_failed_job_without_a_refund(pool):
    await apply_all(pool, STORY.tape)
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("UPDATE generations SET refunded_credits = NULL WHERE status = 'failed'")


async def test_text_that_postgres_cannot_hold_stops_nobody(pool):
    story = Story()
    story.grant("ada", 80, reason="a\x00b")
    job = story.request("ada", "one", prompt="fox \x00 and \\u0000")
    story.fail(job, reason="c\x00d \\u0000")
    tables = await applied_twice_and_rebuilt(pool, story.tape)
    (row,) = tables["generations"]
    assert row["prompt"] == "fox \ufffd and \\u0000"
    failure = row["failure"]
    assert isinstance(failure, dict)
    assert failure["details"]["reasons"] == ["c\ufffdd \\u0000"]


async def test_s0_93_the_indexes_are_there(pool):
    """In S0's order; `created_at` descending of jobs stands behind the account it is asked for."""
    rows = await pool.fetch("SELECT indexname, indexdef FROM pg_indexes")
    texts = {row["indexname"]: row["indexdef"] for row in rows}
    for name, columns in (
        ("generations_account_status", "(account_id, status, "),
        ("generations_active", "(status, created_at) WHERE"),
        ("generations_history", "(account_id, created_at DESC, job_id DESC)"),
        ("generations_operation", "(operation_id)"),
        ("credit_transactions_type", "(account_id, transaction_type)"),
        ("credit_transactions_newest", "(created_at DESC)"),
    ):
        assert columns in texts[name]
