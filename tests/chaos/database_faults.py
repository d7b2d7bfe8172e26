"""Postgres that refuses: to write, or to let anybody in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from tests.chaos.arena import Arena
from tests.chaos.fault import Fault, Size

# More than the server has; it is asked until it refuses.
CONNECTIONS_MAX = 1000
CONNECT_SECONDS = 5.0


@asynccontextmanager
async def _operator(arena: Arena) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        arena.system.settings.database_url.get_secret_value(), timeout=CONNECT_SECONDS
    )
    try:
        yield connection
    finally:
        connection.terminate()


async def set_read_only(arena: Arena, _: str) -> None:
    """Let no transaction write for a while, as a standby or an operator would."""
    async with _operator(arena) as operator:
        await operator.execute("SET default_transaction_read_only = off")
        await operator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await operator.execute("SELECT pg_reload_conf()")
        arena.say(f"Postgres is read-only for {arena.hold_seconds} s")
        try:
            await asyncio.sleep(arena.hold_seconds)
        finally:
            await operator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await operator.execute("SELECT pg_reload_conf()")
    arena.count("times read-only")
    await arena.recovered(time.monotonic())


async def take_all_connections(arena: Arena, _: str) -> None:
    """Cut everybody off and take every connection there is, for a while."""
    url = arena.system.settings.database_url.get_secret_value()
    taken: list[asyncpg.Connection] = []
    async with _operator(arena) as operator:
        over_at = time.monotonic() + arena.hold_seconds
        try:
            while time.monotonic() < over_at:
                with suppress(asyncpg.TooManyConnectionsError, OSError):
                    while len(taken) < CONNECTIONS_MAX:
                        taken.append(await asyncpg.connect(url, timeout=CONNECT_SECONDS))
                ours = [each.get_server_pid() for each in taken]
                await operator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND pid <> ALL($1) "
                    "AND pid <> pg_backend_pid()",
                    ours,
                )
                await asyncio.sleep(0.2)
        finally:
            for connection in taken:
                connection.terminate()
    arena.say(f"held all {len(taken)} connections for {arena.hold_seconds} s")
    arena.count("connections held", len(taken))
    await arena.recovered(time.monotonic())


DATABASE_FAULTS = (
    Fault(
        "postgres_read_only",
        "9",
        set_read_only,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=10, jobs=1000, hold_seconds=20, pause_seconds_max=5),
    ),
    Fault(
        "postgres_full_of_connections",
        "9",
        take_all_connections,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=10, jobs=1000, hold_seconds=20, pause_seconds_max=5),
    ),
)
