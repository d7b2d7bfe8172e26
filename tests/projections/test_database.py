"""What counts as Postgres being away, and what is our own mistake."""

import asyncpg
import pytest

from runtime.database import DatabaseUnavailable, is_away, open_pool, unavailable_as
from tests.projections.conftest import settings_for

NOBODY_LISTENS = "postgresql://postgres@127.0.0.1:1/none"


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("lost"),
        asyncpg.TooManyConnectionsError("too many"),
        asyncpg.DiskFullError("full"),
        asyncpg.AdminShutdownError("shutdown"),
        asyncpg.CrashShutdownError("crash"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.QueryCanceledError("statement timeout"),
        asyncpg.ReadOnlySQLTransactionError("read-only"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("connection has been released back to the pool"),
        asyncpg.InternalClientError("unexpected protocol state"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_torture_9_trouble_that_passes_means_away(error):
    with pytest.raises(DatabaseUnavailable) as caught, unavailable_as():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("twice"),
        asyncpg.CheckViolationError("negative"),
        asyncpg.UndefinedTableError("no table"),
        asyncpg.DataError("invalid input: the door is closed"),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        ValueError("ours"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_mistake_of_ours_is_no_absence(error):
    assert not is_away(error)
    with pytest.raises(type(error)), unavailable_as():
        raise error


async def test_a_pool_opens_while_nobody_listens():
    pool = await open_pool(settings_for(NOBODY_LISTENS))
    with pytest.raises(DatabaseUnavailable), unavailable_as():
        await pool.fetchval("SELECT 1")
    await pool.close()


async def test_a_connection_that_is_lost_while_it_is_held_means_away(pool):
    """Torture.md row 9: `tape verify --follow` asks again instead of ending."""
    async with pool.acquire() as connection, pool.acquire() as other:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        await other.execute("SELECT pg_terminate_backend($1)", pid)
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable), unavailable_as():
                async with connection.transaction():
                    await connection.fetch("SELECT 1")


async def test_a_caller_may_name_its_own_error():
    with pytest.raises(LookupError, match="the database is away"), unavailable_as(LookupError):
        raise ConnectionRefusedError


async def test_json_is_objects_on_both_sides_and_sessions_have_a_name(pool):
    value = {"a": [1, "ü", None]}
    assert await pool.fetchval("SELECT $1::jsonb", value) == value
    assert await pool.fetchval("SHOW application_name") == "tapeworks"
