"""A namespace and a database of its own per test, on the session's broker and Postgres."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from projections.migrate import migrate
from runtime.database import open_pool
from runtime.settings import Settings
from runtime.topics import ensure_topics
from tests.running import RunningSystem

_numbers = itertools.count(1)


@pytest.fixture
async def settings(system: RunningSystem, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of a system with empty topics, empty read models and an empty media store."""
    name = f"replay_{next(_numbers)}"
    url = system.variables["DATABASE_URL"]
    await _execute(url, f"CREATE DATABASE {name}")
    empty = Settings(
        kafka_bootstrap_servers=system.variables["KAFKA_BOOTSTRAP_SERVERS"],
        namespace=f"t{uuid4().hex[:8]}.",
        partition_count=2,
        database_url=urlsplit(url)._replace(path=f"/{name}").geturl(),
        object_store_url=f"file://{tmp_path}",
    )
    await ensure_topics(empty)
    pool = await open_pool(empty)
    await migrate(pool)
    await pool.close()
    yield empty
    await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
