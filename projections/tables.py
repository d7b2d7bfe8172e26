"""The SQL of the read models: each function writes one table, many rows in one statement.

No rules here: what stands in the rows is decided by the pure modules beside this one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from domain.ledger_state import Account
from projections.changes import Change
from projections.credits import AccountRow, CreditTransaction
from projections.generations import GENERATIONS
from projections.records import Reading
from runtime.database import Connection
from schemas.codec import ContractError

# 1,000 characters: enough to find the fault; the record itself is on the log.
SKIP_DETAIL_CHARACTERS_MAX = 1000

_SELECT_ACCOUNTS = """
SELECT account_id, available_credits, reserved_credits, settled_credits, granted_credits,
       sequence, updated_at
FROM accounts WHERE account_id = ANY($1::text[])
"""
# The caller holds the partition's offset row, and an account lives in one partition: the rows that
# it read are still the rows that are there.
_UPSERT_ACCOUNTS = """
INSERT INTO accounts (account_id, available_credits, reserved_credits, settled_credits,
                      granted_credits, sequence, updated_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::bigint[], $7::timestamptz[])
ON CONFLICT (account_id) DO UPDATE SET
    available_credits = excluded.available_credits, reserved_credits = excluded.reserved_credits,
    settled_credits = excluded.settled_credits, granted_credits = excluded.granted_credits,
    sequence = excluded.sequence, updated_at = excluded.updated_at
"""
_INSERT_TRANSACTIONS = """
INSERT INTO credit_transactions (account_id, sequence, event_id, job_id, transaction_type,
                                 amount_credits, balance_after, description, created_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[],
                     $6::bigint[], $7::bigint[], $8::text[], $9::timestamptz[])
"""
_INSERT_SKIPS = """
INSERT INTO projection_skips (topic, partition, record_offset, reason, detail, skipped_at)
SELECT $1, $2, skipped.record_offset, skipped.reason, skipped.detail, now()
FROM unnest($3::bigint[], $4::text[], $5::text[]) AS skipped (record_offset, reason, detail)
ON CONFLICT DO NOTHING
"""


async def upsert_generations(connection: Connection, changes: Iterable[Change]) -> None:
    """Merge changes into `generations`, at most one per job."""
    # By key: transactions that change the same rows take their locks in the same order.
    rows = sorted(changes, key=lambda change: str(change["job_id"]))
    if rows:
        columns = GENERATIONS.columns_in(rows)
        await connection.execute(
            GENERATIONS.upsert_sql(columns),
            *([_STORED_AS[c.sql_type](row.get(c.name)) for row in rows] for c in columns),
        )


async def load_accounts(
    connection: Connection, account_ids: Iterable[str]
) -> dict[str, AccountRow]:
    """Give the rows of `accounts` that are there."""
    rows = await connection.fetch(_SELECT_ACCOUNTS, sorted(account_ids))
    return {
        row["account_id"]: AccountRow(
            Account(
                available_credits=row["available_credits"],
                reserved_credits=row["reserved_credits"],
                settled_credits=row["settled_credits"],
                granted_credits=row["granted_credits"],
                sequence=row["sequence"],
            ),
            row["updated_at"],
        )
        for row in rows
    }


async def upsert_accounts(connection: Connection, rows: Mapping[str, AccountRow]) -> None:
    """Store accounts as they are now."""
    if not rows:
        return
    account_ids = sorted(rows)
    accounts = [rows[account_id].account for account_id in account_ids]
    await connection.execute(
        _UPSERT_ACCOUNTS,
        account_ids,
        [account.available_credits for account in accounts],
        [account.reserved_credits for account in accounts],
        [account.settled_credits for account in accounts],
        [account.granted_credits for account in accounts],
        [account.sequence for account in accounts],
        [rows[account_id].updated_at for account_id in account_ids],
    )


async def insert_transactions(
    connection: Connection, transactions: Sequence[CreditTransaction]
) -> None:
    """Add movements of credits; none of them may be there already."""
    if not transactions:
        return
    await connection.execute(
        _INSERT_TRANSACTIONS,
        [one.account_id for one in transactions],
        [one.sequence for one in transactions],
        [one.event_id for one in transactions],
        [one.job_id for one in transactions],
        [storable(one.transaction_type) for one in transactions],
        [one.amount_credits for one in transactions],
        [one.balance_after for one in transactions],
        [storable(one.description) for one in transactions],
        [one.created_at for one in transactions],
    )


async def insert_skips(
    connection: Connection, topic: str, partition: int, readings: Iterable[Reading]
) -> None:
    """Note the records that were passed over."""
    skips = [(r.offset, r.outcome) for r in readings if isinstance(r.outcome, ContractError)]
    if skips:
        await connection.execute(
            _INSERT_SKIPS,
            topic,
            partition,
            [offset for offset, _ in skips],
            [error.reason for _, error in skips],
            [storable(str(error))[:SKIP_DETAIL_CHARACTERS_MAX] for _, error in skips],
        )


def storable(text: str) -> str:
    """Give text that Postgres can hold: U+0000, which it cannot, becomes U+FFFD."""
    return text.replace("\x00", "\ufffd")


def _text_or_null(value: object) -> object:
    return storable(value) if isinstance(value, str) else value


def _json_or_null(value: object) -> object:
    if value is None:
        return None
    # An escaped backslash before the zero is text and is kept: hence on the parts, not the whole.
    return msgspec.json.encode(_storable_json(value)).decode()


def _storable_json(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_storable_json(part) for part in value]
    return value


def _as_it_is(value: object) -> object:
    return value


_STORED_AS: Mapping[str, Callable[[object], object]] = {
    "text": _text_or_null,
    "jsonb": _json_or_null,
    "uuid": _as_it_is,
    "int": _as_it_is,
    "bigint": _as_it_is,
    "double precision": _as_it_is,
    "timestamptz": _as_it_is,
}
