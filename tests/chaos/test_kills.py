"""Workers are killed and frozen while jobs run: nothing lost, nothing bought or paid twice.

The size of the run is a setting: `make chaos` runs the full one, `make test` a smaller seeded one.
"""

import os

import pytest

from tests.chaos.harness import Plan, run_chaos
from tests.running import running_system
from tests.waiting import eventually

JOBS = int(os.environ.get("TAPE_CHAOS_JOBS", "40"))
ACCOUNTS = int(os.environ.get("TAPE_CHAOS_ACCOUNTS", "8"))
SEED = int(os.environ.get("TAPE_CHAOS_SEED", "20261121"))
FREEZE_SECONDS = float(os.environ.get("TAPE_CHAOS_FREEZE_SECONDS", "12"))
KILL_EVERY_SECONDS = float(os.environ.get("TAPE_CHAOS_KILL_EVERY_SECONDS", "5"))
VICTIMS = ("ledger", "ledger-2", "generation", "generation-2", "projections")


@pytest.mark.timeout(900)
async def test_every_job_ends_and_every_credit_is_right_while_workers_are_killed(tmp_path):
    """I05, I06, I07, I11, I19; torture.md rows 1, 6, 21, 22 in small."""
    plan = Plan(
        seed=SEED,
        jobs=JOBS,
        accounts=ACCOUNTS,
        fault_share=0.10,
        kill_every_seconds=KILL_EVERY_SECONDS,
        freeze_seconds=FREEZE_SECONDS,
    )
    extra = {"TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5", "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "6"}
    workers = ("--workers", "ledger=2,generation=2", "--generation-seconds", "2")
    with running_system(tmp_path, *workers, extra=extra) as system:
        history = run_chaos(system, plan, VICTIMS)
        print(history.counted())  # noqa: T201  the seed and the kills, shown when it fails
        assert len(history.ended) == JOBS
        assert set(history.ended.values()) <= {"completed", "failed"}

        async def at_rest() -> bool:
            # The last settlements and projections are some milliseconds behind the last status.
            return system.verify("--at-rest").returncode == 0

        try:
            await eventually(at_rest, "tape verify --at-rest is green", seconds=60)
        except AssertionError as error:
            raise AssertionError(system.verify("--at-rest").stdout) from error
