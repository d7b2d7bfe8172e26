"""All SQL of the ingress, each call within 2 s whatever Postgres does."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from ingress.rows import (
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


def _columns(row_type: type, of: str) -> str:
    return ", ".join(f"{of}.{field.name}" for field in fields(row_type))


# ruff's S608 sees SQL in an f-string: every part is a constant of this module.
_GENERATION = f"""
    SELECT {_columns(GenerationRow, "job")}
    FROM generations asked
    JOIN generations job
      ON job.job_id = coalesce(asked.replay_of, asked.job_id)
     AND job.account_id = asked.account_id
    WHERE asked.job_id = $1 AND asked.account_id = $2
"""  # noqa: S608  constants only
_JOB_COST = f"""
    SELECT {_columns(JobCostRow, "job")}
    FROM generations asked
    JOIN generations job
      ON job.job_id = coalesce(asked.replay_of, asked.job_id)
     AND job.account_id = asked.account_id
    WHERE asked.job_id = $1
"""  # noqa: S608  constants only
_ACTIVE = f"""
    SELECT {_columns(GenerationRow, "job")}
    FROM generations job
    WHERE job.account_id = $1 AND job.job_id = ANY($2::uuid[])
    ORDER BY job.created_at DESC, job.job_id DESC
"""  # noqa: S608  constants only
# One statement, so that the page and the total are of one moment.
_GENERATIONS = f"""
    SELECT counted.total, {_columns(GenerationRow, "job")}
    FROM (
        SELECT count(*) AS total FROM generations
        WHERE account_id = $1 AND replay_of IS NULL
    ) counted
    LEFT JOIN (
        SELECT * FROM generations
        WHERE account_id = $1 AND replay_of IS NULL
          AND ($2::timestamptz IS NULL OR (created_at, job_id) < ($2, $3::uuid))
        ORDER BY created_at DESC, job_id DESC
        LIMIT $4
    ) job ON true
    ORDER BY job.created_at DESC, job.job_id DESC
"""  # noqa: S608  constants only
_TRANSACTIONS = f"""
    SELECT counted.total, {_columns(TransactionRow, "moved")}
    FROM (SELECT count(*) AS total FROM credit_transactions WHERE account_id = $1) counted
    LEFT JOIN (
        SELECT * FROM credit_transactions
        WHERE account_id = $1 AND ($2::bigint IS NULL OR sequence < $2)
        ORDER BY sequence DESC
        LIMIT $3
    ) moved ON true
    ORDER BY moved.sequence DESC
"""  # noqa: S608  constants only
_KEYS = f"""
    SELECT counted.total, {_columns(KeyRow, "known")}
    FROM (SELECT count(*) AS total FROM api_keys) counted
    LEFT JOIN (
        SELECT * FROM api_keys
        WHERE $1::timestamptz IS NULL OR (created_at, key_id) < ($1, $2::uuid)
        ORDER BY created_at DESC, key_id DESC
        LIMIT $3
    ) known ON true
    ORDER BY known.created_at DESC, known.key_id DESC
"""  # noqa: S608  constants only
_ACCOUNT = f"SELECT {_columns(AccountRow, 'a')} FROM accounts a WHERE account_id = $1"  # noqa: S608  constants only
_OFFSETS = "SELECT topic, next_offset FROM projection_offsets WHERE partition = $1"
_KEY = f"""
    SELECT {_columns(KeyRow, "known")} FROM api_keys known
    WHERE key_sha256 = $1 AND revoked_at IS NULL
"""  # noqa: S608  constants only
_ADD_KEY = f"""
    INSERT INTO api_keys AS known (key_id, key_sha256, account_id, role)
    VALUES ($1, $2, $3, $4)
    RETURNING {_columns(KeyRow, "known")}
"""  # noqa: S608  constants only
_REVOKE = """
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
    WHERE key_id = $1
    RETURNING key_sha256
"""


class PostgresReadModel:
    """The read models and the API keys, read through one pool."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: Pool | None = None

    async def start(self) -> None:
        """Open the pool; works while Postgres is away."""
        self._pool = await open_pool(
            self._settings, max_size=CONNECTIONS_MAX, application_name="tapeworks-ingress"
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
        return _first(GenerationRow, await self._fetch(_GENERATION, UUID(job_id), account_id))

    async def generations(
        self, account_id: str, limit: int, before: tuple[datetime, UUID] | None
    ) -> Page[GenerationRow]:
        """List an account's jobs without repeats, newest first, after the row `before`."""
        at, job_id = before or (None, None)
        rows = await self._fetch(_GENERATIONS, account_id, at, job_id, limit)
        return _page(GenerationRow, rows, "job_id")

    async def active_generations(
        self, account_id: str, job_ids: Sequence[str]
    ) -> list[GenerationRow]:
        """Find some of an account's jobs, newest first."""
        ids = [UUID(job_id) for job_id in job_ids]
        return [
            _row(GenerationRow, record) for record in await self._fetch(_ACTIVE, account_id, ids)
        ]

    async def job_cost(self, job_id: str) -> JobCostRow | None:
        """Find what any account's job cost; the job it repeats where it is a repeat."""
        return _first(JobCostRow, await self._fetch(_JOB_COST, UUID(job_id)))

    async def offsets(self, partition: int) -> dict[str, int]:
        """Say how far each topic's partition has been applied, by topic without namespace."""
        rows = await self._fetch(_OFFSETS, partition)
        return {row["topic"]: row["next_offset"] for row in rows}

    async def account(self, account_id: str) -> AccountRow:
        """Give an account's credits; all zero if nobody ever granted any."""
        return _first(AccountRow, await self._fetch(_ACCOUNT, account_id)) or AccountRow()

    async def transactions(
        self, account_id: str, limit: int, before: int | None
    ) -> Page[TransactionRow]:
        """List an account's movements, newest first, those below the sequence `before`."""
        rows = await self._fetch(_TRANSACTIONS, account_id, before, limit)
        return _page(TransactionRow, rows, "sequence")

    async def key(self, key_sha256: bytes) -> KeyRow | None:
        """Find a key that is not revoked."""
        return _first(KeyRow, await self._fetch(_KEY, key_sha256))

    async def add_key(self, key_sha256: bytes, account_id: str, role: Role) -> KeyRow:
        """Store a new key."""
        (record,) = await self._fetch(_ADD_KEY, uuid4(), key_sha256, account_id, role)
        return _row(KeyRow, record)

    async def keys(self, limit: int, before: tuple[datetime, UUID] | None) -> Page[KeyRow]:
        """List all keys, newest first, after the row `before`."""
        at, key_id = before or (None, None)
        return _page(KeyRow, await self._fetch(_KEYS, at, key_id, limit), "key_id")

    async def revoke_key(self, key_id: str) -> bytes | None:
        """Revoke a key; give its hash, None if there is none."""
        rows = await self._fetch(_REVOKE, UUID(key_id))
        return bytes(rows[0]["key_sha256"]) if rows else None

    async def _fetch(self, sql: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        async def fetch(connection: Connection) -> Sequence[Mapping[str, Any]]:
            rows = await connection.fetch(sql, *arguments)
            return cast("Sequence[Mapping[str, Any]]", rows)

        return await self._within_bound(fetch)

    async def _within_bound(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `work` on a connection.

        Raises: DatabaseUnavailable after 1.5 s at the latest.
        """
        # A task of its own: asyncpg waits for a cancelled query's end, and a server that stands
        # still gives none, so the caller cannot wait for that.
        task = asyncio.create_task(self._on_connection(work))
        await asyncio.wait({task}, timeout=CALL_SECONDS_MAX)
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise DatabaseUnavailable(f"no answer within {CALL_SECONDS_MAX} s")
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
    return Page(rows, records[0]["total"])
