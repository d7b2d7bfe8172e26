"""The read models by one upsert per event, each committed by itself: the plainest projector.

The rows are the same as ours, and each event is one statement, so one round trip and one commit.
Run as `python -m bench.naive_projector EVENTS`; says when so many events were applied.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer

from projections.credits import CreditTransaction, transaction_of
from projections.generations import GENERATIONS, change_of
from projections.tables import _STORED_AS
from runtime.database import Connection, open_pool
from runtime.settings import Settings, settings
from schemas.codec import decode
from schemas.envelope import Envelope
from schemas.ledger import CreditsGranted, CreditsReserved, CreditsSettled, LedgerEvent
from schemas.topics import PUBLIC_TOPICS

NAME = "naive-projector"
_ACCOUNT = """INSERT INTO accounts AS stored
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id) DO UPDATE SET
    available_credits = excluded.available_credits,
    reserved_credits = stored.reserved_credits + excluded.reserved_credits,
    settled_credits = stored.settled_credits + excluded.settled_credits,
    granted_credits = stored.granted_credits + excluded.granted_credits,
    sequence = excluded.sequence,
    updated_at = greatest(stored.updated_at, excluded.updated_at)"""
# Of a price that leaves the reserve: PostgreSQL checks a proposed row before it finds the conflict.
_SETTLED = """UPDATE accounts SET
    reserved_credits = reserved_credits + $3, settled_credits = settled_credits + $4,
    granted_credits = granted_credits + $5, available_credits = $2, sequence = $6,
    updated_at = greatest(updated_at, $7)
WHERE account_id = $1"""
_MOVEMENT = """INSERT INTO credit_transactions
VALUES ($8, $9, $10, $11, $12, $13, $14, $15, $16)"""


async def project(config: Settings, events: int) -> None:
    """Apply events until the process is ended."""
    consumer = AIOKafkaConsumer(
        *(config.namespace + topic.name for topic in PUBLIC_TOPICS),
        bootstrap_servers=config.kafka_bootstrap_servers,
        group_id=config.namespace + NAME,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    pool = await open_pool(config)
    await consumer.start()
    applied = 0
    async with pool.acquire() as connection:
        async for record in consumer:
            await apply(connection, decode(record.key, record.value, record.headers))
            applied += 1
            if applied == events:
                print("done", time.time(), flush=True)


async def apply(connection: Connection, envelope: Envelope) -> None:
    """Write what one event says, as one statement."""
    parts: list[str] = []
    values: list[object] = []
    if isinstance(envelope.event, LedgerEvent):
        parts, values = _credits(envelope.event, transaction_of(envelope))
    change = change_of(envelope.event)
    if change is not None:
        columns = GENERATIONS.columns_in([change])
        parts.append(_shifted(GENERATIONS.upsert_sql(columns), len(values), len(columns)))
        values += [[_STORED_AS[c.sql_type](change.get(c.name))] for c in columns]
    if parts:
        *before, last = parts
        named = ", ".join(f"part{n} AS ({part})" for n, part in enumerate(before))
        await connection.execute(f"WITH {named} {last}" if before else last, *values)


def _shifted(statement: str, by: int, count: int) -> str:
    """Number a statement's parameters from `by` + 1."""
    for number in range(count, 0, -1):
        statement = statement.replace(f"${number}::", f"${number + by}::")
    return statement


def _credits(
    event: LedgerEvent, movement: CreditTransaction | None
) -> tuple[list[str], list[object]]:
    reserved = settled = granted = 0
    match event:
        case CreditsGranted(amount_credits=amount):
            granted = amount
        case CreditsReserved(price_credits=price):
            reserved = price
        case CreditsSettled(price_credits=price):
            reserved, settled = -price, price
        case _:
            raise AssertionError(f"not in the load: {type(event).__name__}")
    values: list[object] = [
        event.account_id,
        event.balance_after,
        reserved,
        settled,
        granted,
        event.sequence,
        event.occurred_at,
    ]
    if movement is None:
        return [_SETTLED], values
    return [_ACCOUNT, _MOVEMENT], [*values, *_row(movement)]


def _row(movement: CreditTransaction) -> Sequence[object]:
    return (
        movement.account_id,
        movement.sequence,
        movement.event_id,
        movement.job_id,
        movement.transaction_type,
        movement.amount_credits,
        movement.balance_after,
        movement.description,
        movement.created_at,
    )


if __name__ == "__main__":
    asyncio.run(project(settings(), int(sys.argv[1])))
