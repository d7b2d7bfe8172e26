"""One broker and one Postgres for the session; a namespace and a database of its own per test."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from devstack.kafka import KafkaBroker
from devstack.ports import free_port
from devstack.postgres import PostgresServer
from devstack.processes import start_together
from devstack.state import StateFolder
from projections.migrate import migrate
from runtime.database import open_pool
from runtime.settings import Settings
from runtime.topics import ensure_topics

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Services:
    """What a system needs around it, running."""

    broker: KafkaBroker
    postgres: PostgresServer


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    state = StateFolder(tmp_path_factory.mktemp("replay"))
    controller = free_port()
    broker_port = free_port(frozenset({controller}))
    running = Services(
        KafkaBroker(state, broker_port, controller),
        PostgresServer(state, free_port(frozenset({controller, broker_port}))),
    )
    processes = [running.broker.process, running.postgres.process]
    asyncio.run(start_together(processes))
    yield running
    for process in processes:
        asyncio.run(process.stop())


@pytest.fixture
async def settings(services: Services, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings of a system with empty topics, empty read models and an empty media store."""
    name = f"replay_{next(_numbers)}"
    url = services.postgres.url
    await _execute(url, f"CREATE DATABASE {name}")
    empty = Settings(
        kafka_bootstrap_servers=services.broker.bootstrap_servers,
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
