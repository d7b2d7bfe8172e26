"""A whole running system for tests: started by the command line as a user would, on free ports."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import psutil

from devstack.account import remove_state
from devstack.http_probe import NO_TLS
from devstack.postgres import POSTGRES
from devstack.records import recorded
from devstack.state import StateFolder
from devstack.supervisor import SUPERVISOR
from runtime.settings import Settings

START_TIMEOUT_SECONDS = 150.0
# What a developer's shell may hold after `eval "$(tape env)"` must not leak into a test's system.
FOREIGN_PREFIXES = ("TAPE", "KAFKA_", "DATABASE_", "OBJECT_", "GOOGLE_", "FAL_")


def clean_environment(state_dir: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_PREFIXES)}
    return {**kept, "TAPE_STATE_DIR": str(state_dir), **(extra or {})}


def tape(
    arguments: list[str],
    state_dir: Path,
    extra: Mapping[str, str] | None = None,
    timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tape", *arguments],
        env=clean_environment(state_dir, extra),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


@dataclass(frozen=True)
class RunningSystem:
    """A system, and with what it was started, to start it again."""

    state_dir: Path
    variables: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(dict(self.variables))

    def client(self, api_key: str | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        url = self.variables["TAPE_URL"]
        return httpx.Client(base_url=url, headers=headers, timeout=15, verify=NO_TLS)

    def admin(self) -> httpx.Client:
        return self.client(self.variables["TAPE_ADMIN_KEY"])

    def simulator(self) -> httpx.Client:
        url = self.variables["TAPE_SIMULATOR_URL"]
        return httpx.Client(base_url=url, timeout=15, verify=NO_TLS)

    def new_account(self, credits_granted: int = 0, account_id: str = "") -> "Customer":
        """Make an account of its own for one test, with a key and credits."""
        account_id = account_id or f"test-{uuid4().hex[:12]}"
        with self.admin() as admin:
            made = admin.post("/v1/admin/keys", json={"account_id": account_id, "role": "client"})
            made.raise_for_status()
            if credits_granted:
                body = {
                    "account_id": account_id,
                    "amount_credits": credits_granted,
                    "reason": "test",
                }
                admin.post("/v1/admin/credits/grants", json=body).raise_for_status()
        return Customer(self, account_id, made.json()["api_key"])

    def pid(self, process: str) -> int:
        return int((self.state_dir / "run" / f"{process}.pid").read_text())

    @contextmanager
    def without(self, *processes: str) -> Iterator[None]:
        """Keep processes dead for the time of the block.

        The supervisor, which would restart them at once, stands still meanwhile (SIGSTOP).
        """
        supervisor = self.pid("supervisor")
        os.kill(supervisor, signal.SIGSTOP)
        try:
            for process in processes:
                os.kill(self.pid(process), signal.SIGKILL)
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)

    def verify(
        self, *arguments: str, timeout_seconds: float = START_TIMEOUT_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        columns = {"COLUMNS": "250"}
        return tape(["verify", *arguments], self.state_dir, columns, timeout_seconds)


@dataclass(frozen=True)
class Customer:
    system: RunningSystem
    account_id: str
    api_key: str

    def client(self) -> httpx.Client:
        return self.system.client(self.api_key)


@contextmanager
def running_system(
    state_dir: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[RunningSystem]:
    """Start a system, and end it with everything it started, whatever happened.

    It is killed: an end in order takes seconds, and has tests of its own.
    """
    started = tape(["up", "--detach", "--free-ports", *arguments], state_dir, extra)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield RunningSystem(state_dir, read_variables(state_dir), arguments, extra or {})
    finally:
        _kill(StateFolder(state_dir))
        stopped = tape(["down"], state_dir)
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
        # Postgres' data may lie elsewhere, where its user may read.
        remove_state(StateFolder(state_dir))


def _kill(state: StateFolder) -> None:
    """Kill all but Postgres, which would leave its shared memory behind; the supervisor first."""
    records = [record for record in recorded(state) if record.name != POSTGRES]
    for record in sorted(records, key=lambda record: record.name != SUPERVISOR):
        if process := record.process():
            with suppress(psutil.NoSuchProcess):
                process.kill()


def read_variables(state_dir: Path) -> dict[str, str]:
    printed = tape(["env"], state_dir)
    assert printed.returncode == 0, printed.stdout + printed.stderr
    lines = (line.removeprefix("export ") for line in printed.stdout.splitlines())
    return {name: value.strip("'") for name, _, value in (line.partition("=") for line in lines)}
