"""Migrations: in order, once, and never changed afterwards."""

import asyncio

import asyncpg
import pytest

from projections.migrate import Migration, MigrationError, migrate, migrations
from runtime.database import open_pool
from tests.projections.conftest import settings_for

FIRST = Migration("0001_first", "CREATE TABLE first (id int)")
SECOND = Migration("0002_second", "ALTER TABLE first ADD COLUMN name text")


@pytest.fixture
async def bare_pool(empty_database):
    opened = await open_pool(settings_for(empty_database))
    yield opened
    await opened.close()


async def test_only_what_is_missing_is_applied_in_order(bare_pool):
    assert await migrate(bare_pool, [FIRST]) == ["0001_first"]
    assert await migrate(bare_pool, [FIRST, SECOND]) == ["0002_second"]
    assert await migrate(bare_pool, [FIRST, SECOND]) == []


async def test_a_changed_file_is_refused_before_anything_is_applied(bare_pool):
    await migrate(bare_pool, [FIRST])
    changed = Migration(FIRST.name, FIRST.sql + " ")
    with pytest.raises(MigrationError, match="0001_first was changed"):
        await migrate(bare_pool, [changed, SECOND])
    assert await bare_pool.fetchval("SELECT count(*) FROM schema_migrations") == 1


async def test_a_migration_that_fails_leaves_nothing_behind(bare_pool):
    broken = Migration("0002_broken", "CREATE TABLE half (id int); SELECT no_such_function()")
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await migrate(bare_pool, [FIRST, broken])
    assert await bare_pool.fetchval("SELECT to_regclass('half')") is None
    assert await migrate(bare_pool, [FIRST, SECOND]) == ["0002_second"]


async def test_processes_that_start_at_once_apply_each_migration_once(bare_pool):
    applied = await asyncio.gather(*(migrate(bare_pool) for _ in range(5)))
    names = [migration.name for migration in migrations()]
    assert sorted(applied, key=len) == [[], [], [], [], names]
