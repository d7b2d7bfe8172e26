"""One Postgres for the session; a database of its own, cloned from a migrated one, per test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from projections.migrate import migrate
from runtime.database import Pool, open_pool
from runtime.settings import Settings
from tests.projections.postgres_server import PostgresServer

TEMPLATE = "projections_template"
_numbers = itertools.count(1)


def settings_for(dsn: str) -> Settings:
    return Settings.model_validate({"database_url": dsn})


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        asyncio.run(_make_template(server))
        yield server
    finally:
        server.stop()


async def _make_template(server: PostgresServer) -> None:
    await _execute(server, f"CREATE DATABASE {TEMPLATE}")
    pool = await open_pool(settings_for(server.dsn(TEMPLATE)))
    await migrate(pool)
    # A template must have no sessions: wait for their end.
    await pool.close()


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[str]:
    """Address of a database with empty read models."""
    name = f"projections_{next(_numbers)}"
    await _execute(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield postgres.dsn(name)
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database(postgres: PostgresServer) -> AsyncIterator[str]:
    """Address of a database without any table."""
    name = f"projections_{next(_numbers)}"
    await _execute(postgres, f"CREATE DATABASE {name}")
    yield postgres.dsn(name)
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    opened = await open_pool(settings_for(database))
    yield opened
    await opened.close()
