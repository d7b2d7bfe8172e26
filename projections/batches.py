"""Applies one batch of records to the read models and moves its offset, as one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from projections.changes import Change
from projections.credits import fold_accounts, transaction_of
from projections.generations import GENERATIONS, change_of
from projections.records import ProjectionRecord, Reading, read_records
from projections.tables import (
    insert_skips,
    insert_transactions,
    load_accounts,
    upsert_accounts,
    upsert_generations,
)
from runtime.database import Connection
from schemas.codec import ContractError
from schemas.envelope import Envelope
from schemas.topics import LEDGER_EVENTS

_LOCK_OFFSET = (
    "SELECT next_offset FROM projection_offsets WHERE topic = $1 AND partition = $2 FOR UPDATE"
)
_CREATE_OFFSET = (
    "INSERT INTO projection_offsets (topic, partition, next_offset) VALUES ($1, $2, 0) "
    "ON CONFLICT DO NOTHING"
)
_MOVE_OFFSET = "UPDATE projection_offsets SET next_offset = $3 WHERE topic = $1 AND partition = $2"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to.

    `next_offset`: where the partition stands now. `events`: those applied, without those that had
    been applied before. `skips`: records passed over, by reason.
    """

    next_offset: int
    events: int = 0
    skips: Mapping[str, int] = field(default_factory=dict)


async def load_next_offsets(
    connection: Connection, partitions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """Say where each (topic, partition) is to be read from; 0 where nothing was applied yet."""
    rows = await connection.fetch("SELECT topic, partition, next_offset FROM projection_offsets")
    stored = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {partition: stored.get(partition, 0) for partition in partitions}


async def apply_batch(
    connection: Connection,
    topic: str,
    partition: int,
    records: Sequence[ProjectionRecord],
) -> Applied:
    """Apply one batch to its read models and move its offset.

    Shape: `topic` without the namespace; records of one partition, offsets ascending, gaps allowed
    (compaction, transaction markers).
    Raises: SequenceGapError, for the runner to stop on; whatever Postgres raises.
    Guarantee: rows and offset commit together or not at all; a repeated batch is a no-op, also
    while another worker applies the same one.
    """
    readings = read_records(topic, records)
    async with connection.transaction():
        stored_offset = await _locked_offset(connection, topic, partition)
        fresh = [reading for reading in readings if reading.offset >= stored_offset]
        next_offset = max([stored_offset, *(r.offset + 1 for r in fresh[-1:])])
        if next_offset == stored_offset:
            return Applied(stored_offset)
        envelopes = [r.outcome for r in fresh if isinstance(r.outcome, Envelope)]
        if topic == LEDGER_EVENTS.name:
            envelopes = await _apply_credits(connection, envelopes)
        await upsert_generations(connection, generation_changes(envelopes))
        await insert_skips(connection, topic, partition, fresh)
        await connection.execute(_MOVE_OFFSET, topic, partition, next_offset)
    return Applied(next_offset, len(envelopes), _skips_by_reason(fresh))


async def _locked_offset(connection: Connection, topic: str, partition: int) -> int:
    """Hold the partition's row until the end of the transaction: one worker at a time."""
    offset: int | None = await connection.fetchval(_LOCK_OFFSET, topic, partition)
    if offset is None:
        await connection.execute(_CREATE_OFFSET, topic, partition)
        offset = await connection.fetchval(_LOCK_OFFSET, topic, partition)
        assert offset is not None, "nothing deletes offsets while workers run"
    return offset


async def _apply_credits(connection: Connection, envelopes: Sequence[Envelope]) -> list[Envelope]:
    """Write accounts and their transactions; return the events that had not been applied."""
    stored = await load_accounts(connection, {e.event.account_id for e in envelopes})
    changed, counted = fold_accounts(stored, envelopes)
    await upsert_accounts(connection, changed)
    moved = [row for row in map(transaction_of, counted) if row is not None]
    await insert_transactions(connection, moved)
    return counted


def generation_changes(envelopes: Iterable[Envelope]) -> list[Change]:
    """Fold events into one change per job."""
    by_job: dict[object, Change] = {}
    for envelope in envelopes:
        change = change_of(envelope.event)
        if change is not None:
            job_id = change["job_id"]
            earlier = by_job.get(job_id)
            by_job[job_id] = change if earlier is None else GENERATIONS.merged(earlier, change)
    return list(by_job.values())


def _skips_by_reason(readings: Iterable[Reading]) -> dict[str, int]:
    return Counter(r.outcome.reason for r in readings if isinstance(r.outcome, ContractError))
