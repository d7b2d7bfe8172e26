import asyncio
import os
import shutil
import signal
import socket
import subprocess
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from devstack.errors import StartError
from devstack.ports import LOOPBACK, free_port
from devstack.postgres import WHEEL_FOLDERS, PostgresServer, installed_packages
from tests.waiting import eventually


@asynccontextmanager
async def connected(server: PostgresServer):
    connection = await asyncpg.connect(server.url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def kill(server: PostgresServer) -> None:
    assert server.process.pid is not None
    os.kill(server.process.pid, signal.SIGKILL)

    async def has_ended() -> bool:
        return server.process.exit_code == -signal.SIGKILL

    await eventually(has_ended, "the server ended")


@contextmanager
def stranger_of(server: PostgresServer):
    """Runs another program of the server's account, whom the server may not take for its own."""
    account = server._account
    argv = ["sleep", "600"]
    with subprocess.Popen(argv, cwd="/", user=account.user, group=account.group) as stranger:
        try:
            yield stranger
        finally:
            stranger.kill()


async def test_rows_survive_a_kill_and_a_change_of_port(state):
    server = PostgresServer(state, free_port())
    await server.start()
    async with connected(server) as connection:
        await connection.execute("CREATE TABLE rows AS SELECT 7 AS n")
    await kill(server)
    pid_file = server._data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    again = PostgresServer(state, free_port())
    with stranger_of(again) as stranger:  # to whom the pid in the file has been given by now
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        await again.start()
        assert stranger.poll() is None
    async with connected(again) as connection:
        assert await connection.fetchval("SELECT n FROM rows") == 7
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW listen_addresses") == LOOPBACK
    await again.stop()
    assert again.process.exit_code == 0


async def test_a_start_ends_what_a_killed_server_left_computing(state):
    server = PostgresServer(state, free_port())
    await server.start()
    async with connected(server) as connection:
        await connection.execute("CREATE TABLE rows (n int)")
        endless = asyncio.create_task(connection.execute("DO 'BEGIN LOOP END LOOP; END'"))
        async with connected(server) as observer:

            async def is_computing() -> bool:
                query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"
                return bool(await observer.fetchval(query))

            await eventually(is_computing, "the endless computation began")
        await kill(server)
        again = PostgresServer(state, free_port())
        await again.start()
        await asyncio.gather(endless, return_exceptions=True)
    async with connected(again) as connection:
        assert await connection.fetchval("SELECT count(*) FROM rows") == 0
    await again.stop()


async def test_nobody_gets_in_without_the_password(state):
    server = PostgresServer(state, free_port())
    await server.start()
    assert (state.path / "postgres.password").stat().st_mode & 0o777 == 0o600
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url.replace("tapeworks:", "tapeworks:x"), timeout=10)
    await server.stop()


async def test_a_taken_port_is_a_clear_error(state):
    with socket.create_server((LOOPBACK, 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(StartError, match=f"postgres did not start: .*port {port}"):
            await PostgresServer(state, port).start()


async def test_a_server_that_cannot_start_shows_its_log(state):
    server = PostgresServer(state, free_port())
    server._data.mkdir()  # a data folder that lost everything
    server._account.own(server._data)
    with pytest.raises(StartError, match="could not access the server configuration file"):
        await server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs services as another user")
async def test_an_installation_only_root_may_read_runs_all_the_same(state, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for folder in filter(lambda name: (installed_packages() / name).exists(), WHEEL_FOLDERS):
        shutil.copytree(installed_packages() / folder, home / folder, symlinks=True)
    server = PostgresServer(state, free_port(), packages=home)
    await server.start()
    async with connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await server.stop()
