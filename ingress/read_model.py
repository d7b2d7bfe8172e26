"""Asks Postgres for the read models and the keys, each HTTP call within 2 s whatever it does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from ingress import queries
from ingress.calls import within_call
from ingress.history import HistoryAsked
from ingress.rows import (
    TOTAL_MAX,
    AccountRow,
    GenerationRow,
    JobCostRow,
    KeyRow,
    Page,
    Role,
    TransactionRow,
)
from runtime.database import Connection, DatabaseUnavailable, Pool, open_pool, unavailable_as
from runtime.settings import Settings

T = TypeVar("T")
R = TypeVar("R")
# 1.5 s: leaves half a second of the 2 s within which a read answers.
CALL_SECONDS_MAX = 1.5
# 1 s: a connection that does not even end a cancelled query is thrown away.
RELEASE_SECONDS_MAX = 1.0
# 5 s: a shutdown does not wait for a database that is away.
CLOSE_SECONDS_MAX = 5.0
CONNECTIONS_MAX = 16


class PostgresReadModel:
    """The read models and the API keys, read through one pool."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: Pool | None = None

    async def start(self) -> None:
        """Open the pool; works while Postgres is away."""
        self._pool = await open_pool(
            self._settings,
            max_size=CONNECTIONS_MAX,
            application_name="tapeworks-ingress",
            plans_by_arguments=True,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._pool.close()
        except (TimeoutError, OSError):
            self._pool.terminate()

    async def reachable(self) -> bool:
        """Say within 2 s whether Postgres answers."""
        try:
            await self._fetch("SELECT 1")
        except DatabaseUnavailable:
            return False
        return True

    async def generation(self, account_id: str, job_id: str) -> GenerationRow | None:
        """Find an account's job; the job it repeats where it is a repeat."""
        return _first(
            GenerationRow, await self._fetch(queries.GENERATION, UUID(job_id), account_id)
        )

    async def generations(self, account_id: str, asked: HistoryAsked) -> Page[GenerationRow]:
        """List an account's jobs without repeats, newest first."""
        sql, arguments = queries.history_query(account_id, asked)
        return _page(GenerationRow, await self._fetch(sql, *arguments), "job_id")

    async def active_generations(
        self, account_id: str, job_ids: Sequence[str]
    ) -> list[GenerationRow]:
        """Find some of an account's jobs, newest first."""
        ids = [UUID(job_id) for job_id in job_ids]
        return [
            _row(GenerationRow, record)
            for record in await self._fetch(queries.ACTIVE, account_id, ids)
        ]

    async def job_cost(self, job_id: str) -> JobCostRow | None:
        """Find what any account's job cost; the job it repeats where it is a repeat."""
        return _first(JobCostRow, await self._fetch(queries.JOB_COST, UUID(job_id)))

    async def offsets(self, partition: int) -> dict[str, int]:
        """Say how far each topic's partition has been applied, by topic without namespace."""
        rows = await self._fetch(queries.OFFSETS, partition)
        return {row["topic"]: row["next_offset"] for row in rows}

    async def account(self, account_id: str) -> AccountRow:
        """Give an account's credits; all zero if nobody ever granted any."""
        return _first(AccountRow, await self._fetch(queries.ACCOUNT, account_id)) or AccountRow()

    async def transactions(
        self, account_id: str, limit: int, before: int | None
    ) -> Page[TransactionRow]:
        """List an account's movements, newest first, those below the sequence `before`."""
        before = queries.SEQUENCE_END if before is None else before
        rows = await self._fetch(queries.TRANSACTIONS, account_id, before, limit)
        return _page(TransactionRow, rows, "sequence")

    async def key(self, key_sha256: bytes) -> KeyRow | None:
        """Find a key that is not revoked."""
        return _first(KeyRow, await self._fetch(queries.KEY, key_sha256))

    async def add_key(self, key_sha256: bytes, account_id: str, role: Role) -> KeyRow:
        """Store a new key."""
        (record,) = await self._fetch(queries.ADD_KEY, uuid4(), key_sha256, account_id, role)
        return _row(KeyRow, record)

    async def keys(self, limit: int, before: tuple[datetime, UUID] | None) -> Page[KeyRow]:
        """List all keys, newest first, after the row `before`."""
        at, key_id = before or queries.END
        return _page(KeyRow, await self._fetch(queries.KEYS, at, key_id, limit), "key_id")

    async def revoke_key(self, key_id: str) -> bytes | None:
        """Revoke a key; give its hash, None if there is none."""
        rows = await self._fetch(queries.REVOKE, UUID(key_id))
        return bytes(rows[0]["key_sha256"]) if rows else None

    async def _fetch(self, sql: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        async def fetch(connection: Connection) -> Sequence[Mapping[str, Any]]:
            rows = await connection.fetch(sql, *arguments)
            return cast("Sequence[Mapping[str, Any]]", rows)

        return await self._within_bound(fetch)

    async def _within_bound(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` on a connection.

        Raises: DatabaseUnavailable after 1.5 s at the latest, or once the call's time is over.
        """
        # A task of its own: asyncpg waits for a cancelled query's end, and a server that stands
        # still gives none, so the caller cannot wait for that.
        task = asyncio.create_task(self._on_connection(work))
        seconds = within_call(CALL_SECONDS_MAX)
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise DatabaseUnavailable(f"no answer within {seconds:.2f} s")
        with unavailable_as():
            return task.result()

    async def _on_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        assert self._pool is not None, "started before it is asked"
        connection = await self._pool.acquire(timeout=CALL_SECONDS_MAX)
        try:
            return await work(connection)
        finally:
            await self._pool.release(connection, timeout=RELEASE_SECONDS_MAX)


def _row(row_type: type[R], record: Mapping[str, Any]) -> R:
    return row_type(**{field.name: record[field.name] for field in fields(cast("Any", row_type))})


def _first(row_type: type[R], records: Sequence[Mapping[str, Any]]) -> R | None:
    return _row(row_type, records[0]) if records else None


def _page(row_type: type[R], records: Iterable[Mapping[str, Any]], key: str) -> Page[R]:
    """Read rows that each carry the total; an empty page is one row without a key."""
    records = list(records)
    rows = tuple(_row(row_type, record) for record in records if record[key] is not None)
    counted = records[0]["total"]
    return Page(rows, min(counted, TOTAL_MAX), counted <= TOTAL_MAX)
