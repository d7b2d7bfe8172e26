"""Brings the database's schema to this version: `python -m projections.migrate`. Forward only."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.database import Connection, DatabaseUnavailable, Pool, open_pool, unavailable_as
from runtime.logs import configure_logs, logger
from runtime.settings import settings

log = logger(__name__)
FOLDER = Path(__file__).parent / "migrations"
# An arbitrary number that no other user of the database takes; the lock is per database.
LOCK_KEY = 7_461_706_501
# 120 s: another process may be in the middle of a long migration; then something is wrong.
LOCK_TIMEOUT_SECONDS = 120.0
# 600 s: an index on a large table; ordinary commands have the pool's own limit.
MIGRATION_TIMEOUT_SECONDS = 600.0


class MigrationError(Exception):
    """The database does not stem from these files; the text says which one differs."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of SQL, applied once and never changed after."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Hash of the text as it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """List the migrations in the order of their numbers."""
    return [Migration(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]


async def migrate(pool: Pool, wanted: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is missing; return the names of what was applied now.

    Raises: MigrationError if an applied file has changed since; DatabaseUnavailable.
    Guarantee: one transaction per file, with its row in `schema_migrations`; several processes may
    call this at once, one applies and the others find it done.
    """
    wanted = migrations() if wanted is None else wanted
    with unavailable_as():
        async with pool.acquire() as connection:
            await connection.execute(
                "SELECT pg_advisory_lock($1)", LOCK_KEY, timeout=LOCK_TIMEOUT_SECONDS
            )
            # The lock ends with the session if the release does not come to run.
            try:
                return await _apply_missing(connection, wanted)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def _apply_missing(connection: Connection, wanted: Sequence[Migration]) -> list[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, "
        "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migrations")
    applied: dict[str, str] = {row["name"]: row["sha256"] for row in rows}
    for migration in wanted:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it had been applied here")
    missing = [migration for migration in wanted if migration.name not in applied]
    for migration in missing:
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=MIGRATION_TIMEOUT_SECONDS)
            await connection.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)",
                migration.name,
                migration.sha256,
            )
        log.info("migration_applied", migration=migration.name)
    return [migration.name for migration in missing]


async def _main() -> None:
    configure_logs("migrate", settings().log_level)
    pool = await open_pool(settings(), max_size=1, application_name="tapeworks-migrate")
    try:
        applied = await migrate(pool)
    except (DatabaseUnavailable, MigrationError) as error:
        raise SystemExit(str(error)) from error
    finally:
        pool.terminate()
    log.info("schema_is_current", applied=applied)


if __name__ == "__main__":
    asyncio.run(_main())
