"""Postgres: one pool per process, and one answer to the question whether it is away.

No SQL of the read models here. A pool opens while Postgres is down, so that a process can start,
answer what it can, and go on by itself when the database is back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from runtime.settings import Settings

# In quotes: only asyncpg's stubs know that these are generic.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

# 1.5 s: below the 2 s that a request may wait, so that its answer can still say 503.
CONNECT_TIMEOUT_SECONDS = 1.5
# 10 s: a batch of 500 rows takes some 20 ms; longer than this is a lost or a stuck server.
COMMAND_TIMEOUT_SECONDS = 10.0

# What says that the database cannot do it now although nothing is wrong with what was asked.
AWAY_ERRORS: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, unreachable, no such socket; TimeoutError is one of them
    asyncpg.PostgresConnectionError,  # class 08: lost in the middle, rejected
    asyncpg.InsufficientResourcesError,  # class 53: disk full, out of memory, too many connections
    asyncpg.OperatorInterventionError,  # class 57: shut down, starting up, cancelled
    asyncpg.PostgresSystemError,  # class 58: the server's own disk fails
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a standby, or set read-only by an operator
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03: the server ended our session
    # asyncpg 0.32: a connection that dies between two messages of one query is left in a state that
    # its own next step does not know (seen by tests/system/test_outages.py, kill -9 of Postgres).
    asyncpg.InternalClientError,
    asyncpg.TransactionRollbackError,  # class 40: a deadlock's victim; the repeat goes through
)


class DatabaseUnavailable(Exception):  # noqa: N818  a state of the world, told by its plain name
    """Postgres is away for now; the same call may be repeated."""


def is_away(error: BaseException) -> bool:
    """Say whether an error means that Postgres is away, rather than that the call was wrong."""
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg 0.32 has no type of its own for a connection or pool that closed under us, and
        # uses this one for programming errors too; its texts name the cause. A connection that is
        # lost while somebody holds it is taken back into the pool (seen with a full disk).
        text = str(error)
        return not isinstance(error, asyncpg.DataError) and (
            "clos" in text or "released back to the pool" in text
        )
    return isinstance(error, AWAY_ERRORS)


@contextmanager
def unavailable_as(
    make_error: Callable[[str], Exception] = DatabaseUnavailable,
) -> Iterator[None]:
    """Turn every error that means "away" into one type; all others pass as they are.

    Raises: what `make_error` makes of a sentence, from the original error.
    """
    try:
        yield
    except Exception as error:
        if not is_away(error):
            raise
        raise make_error(f"the database is away: {type(error).__name__}: {error}") from error


async def open_pool(
    settings: Settings,
    *,
    min_size: int = 0,
    max_size: int = 8,
    application_name: str = "tapeworks",
    plans_by_arguments: bool = False,
) -> Pool:
    """Open a pool; with `min_size` 0 it opens even while Postgres is away.

    With `plans_by_arguments` every statement is planned for its own arguments, never once for all:
    a plan for the average account is a thousand times too slow for the largest (bench/queries.py).
    Shape: a `jsonb` value is a Python object on both sides.
    Raises: whatever `AWAY_ERRORS` lists, if `min_size` is above 0 and Postgres is away.
    """
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        server_settings={
            "application_name": application_name,
            "plan_cache_mode": "force_custom_plan" if plans_by_arguments else "auto",
        },
        init=_speak_json,
    )


async def _speak_json(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_json_text, decoder=msgspec.json.decode
    )


def _json_text(value: Any) -> str:  # noqa: ANN401  anything that JSON can hold
    return msgspec.json.encode(value).decode()
