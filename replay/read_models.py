"""Reads the read models as they stood at one instant, for comparison. SQL only, no rules."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from replay.read_model_fold import RowKey, RowValues
from runtime.database import (
    Connection,
    DatabaseUnavailable,
    is_away,
    open_pool,
    unavailable_as,
)
from runtime.settings import Settings

ROWS_PER_FETCH = 2000
STRANGERS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Table:
    """One read model and its columns that are compared, in the order of the fold's values."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def select(self) -> str:
        """Give the query for the rows of some accounts."""
        names = ", ".join((*self.key, *self.columns))
        return f"SELECT {names} FROM {self.name} WHERE account_id = ANY($1::text[])"  # noqa: S608  names are constants of this module


TABLES = (
    Table(
        "accounts",
        ("account_id",),
        (
            "available_credits",
            "reserved_credits",
            "settled_credits",
            "granted_credits",
            "sequence",
        ),
    ),
    Table(
        "credit_transactions",
        ("account_id", "sequence"),
        ("event_id", "transaction_type", "amount_credits", "balance_after"),
    ),
    Table(
        "generations",
        ("job_id",),
        (
            "account_id",
            "status",
            "price_credits",
            "refunded_credits",
            "operation_id",
            "object_key",
            "sha256",
            "size_bytes",
        ),
    ),
)


class ReadModels:
    """All read models in one snapshot of the database."""

    def __init__(self, connection: Connection, next_offsets: dict[tuple[str, int], int]) -> None:
        self._connection = connection
        self._next_offsets = next_offsets

    def next_offsets(self, partition: int) -> dict[str, int]:
        """Say how far each topic of a partition number was applied."""
        return {topic: at for (topic, n), at in self._next_offsets.items() if n == partition}

    async def rows(
        self, table: Table, account_ids: Sequence[str]
    ) -> AsyncIterator[tuple[RowKey, RowValues]]:
        """Give the rows of some accounts, with their keys."""
        width = len(table.key)
        cursor = self._connection.cursor(table.select, account_ids, prefetch=ROWS_PER_FETCH)
        async for record in cursor:
            values = tuple(str(v) if isinstance(v, UUID) else v for v in record.values())
            yield values[:width], values[width:]

    async def row_count(self, table: Table) -> int:
        """Count a table's rows."""
        count: int = await self._connection.fetchval(f"SELECT count(*) FROM {table.name}")  # noqa: S608  a constant of this module
        return count

    async def strangers(self, table: Table, account_ids: Sequence[str]) -> list[str]:
        """Give some accounts of a table that are not among `account_ids`."""
        query = (
            f"SELECT DISTINCT account_id FROM {table.name} "  # noqa: S608  a constant of this module
            "WHERE account_id <> ALL($1::text[]) ORDER BY account_id LIMIT $2"
        )
        rows = await self._connection.fetch(query, account_ids, STRANGERS_SHOWN_MAX)
        return [row["account_id"] for row in rows]


@asynccontextmanager
async def open_read_models(settings: Settings) -> AsyncIterator[ReadModels]:
    """Open one snapshot, and let go of it at the end; nothing is ever written.

    Raises: DatabaseUnavailable if Postgres is away or holds no read models.
    """
    with unavailable_as():
        pool = await open_pool(settings, max_size=1, application_name="tapeworks-verify")
    try:
        with unavailable_as():
            connection = await pool.acquire()
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
            next_offsets = await _next_offsets(connection)
        yield ReadModels(connection, next_offsets)
    finally:
        # Ends the transaction as well; there is nothing of it to keep.
        pool.terminate()


def is_unreadable(error: Exception) -> bool:
    """Say whether an error means that Postgres went away while it was read."""
    return isinstance(error, DatabaseUnavailable) or is_away(error)


async def _next_offsets(connection: Connection) -> dict[tuple[str, int], int]:
    try:
        rows = await connection.fetch(
            "SELECT topic, partition, next_offset FROM projection_offsets"
        )
    except asyncpg.UndefinedTableError as error:
        raise DatabaseUnavailable("the database holds no read models") from error
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
