"""Whole tables, to be compared, and the double application that every test goes through."""

from collections.abc import Mapping, Sequence

from projections.batches import apply_batch
from projections.records import ProjectionRecord
from runtime.database import Pool
from tests.projections.stories import TOPICS, batches_of

# `skipped_at` is when an operator's note was made, the one value that is not from the log.
QUERIES = {
    "generations": "SELECT * FROM generations ORDER BY job_id",
    "accounts": "SELECT * FROM accounts ORDER BY account_id",
    "credit_transactions": "SELECT * FROM credit_transactions ORDER BY account_id, sequence",
    "projection_offsets": "SELECT * FROM projection_offsets ORDER BY topic, partition",
    "projection_skips": (
        "SELECT topic, partition, record_offset, reason, detail FROM projection_skips "
        "ORDER BY topic, partition, record_offset"
    ),
}
Tables = dict[str, list[dict[str, object]]]
Tape = Mapping[str, Sequence[ProjectionRecord]]


async def dump(pool: Pool) -> Tables:
    return {name: [dict(row) for row in await pool.fetch(q)] for name, q in QUERIES.items()}


async def empty(pool: Pool) -> None:
    await pool.execute(f"TRUNCATE {', '.join(QUERIES)}")


async def apply(pool: Pool, topic: str, records: Sequence[ProjectionRecord]) -> int:
    async with pool.acquire() as connection:
        return (await apply_batch(connection, topic, 0, records)).events


async def apply_all(pool: Pool, tape: Tape, batch_size: int = 500) -> int:
    return sum(
        [
            await apply(pool, topic, batch)
            for topic in TOPICS
            for batch in batches_of(tape[topic], batch_size)
        ]
    )


async def applied_twice_and_rebuilt(pool: Pool, tape: Tape) -> Tables:
    """Apply event by event, then all of it again, then rebuild from zero in whole batches.

    Guarantee: all three gave the same tables, which are returned (I14, I16).
    """
    await apply_all(pool, tape, batch_size=1)
    once = await dump(pool)
    assert await apply_all(pool, tape, batch_size=3) == 0
    assert await dump(pool) == once
    await empty(pool)
    await apply_all(pool, tape)
    assert await dump(pool) == once
    return once
