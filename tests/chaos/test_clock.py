"""The clock of the machine that runs all our processes jumps by an hour, forward and back."""

import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.chaos.clock_faults import (
    HOUR_SECONDS,
    MachineClock,
    clock_jumped,
    nothing_left_behind,
)
from tests.chaos.load import Plan, accounts_of_every_partition
from tests.chaos.play import Run
from tests.chaos.table import table
from tests.chaos.test_torture import ACCOUNTS, SEED, SHORTENED, WIDENED, size_of
from tests.running import running_system

# The library makes threads wait for each other longer: fewer processes, and fewer jobs for them.
JOBS_PER_SECOND = 1.0
DEADLINE_SECONDS = 60
# 1 s: a process learns the broker's time to within half the way there and back.
NEAR = timedelta(seconds=1)


@pytest.fixture(scope="module")
def machine_clock(tmp_path_factory):
    with nothing_left_behind():
        yield MachineClock(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def system(tmp_path_factory, machine_clock):
    deadline = {"TAPEWORKS_GENERATION_TIMEOUT_SECONDS": str(DEADLINE_SECONDS)}
    extra = {**SHORTENED, **WIDENED, **deadline, **machine_clock.variables}
    arguments = ("--generation-seconds", "1", "--plain-videos")
    state_dir = tmp_path_factory.mktemp("jumping")
    with running_system(state_dir, *arguments, extra=extra) as running:
        yield running


@pytest.mark.timeout(3600)
async def test_no_jump_of_the_clock_ends_a_job_early_or_turns_time_back(
    system, machine_clock, tmp_path
):
    """I05, I06, I07, I19; torture.md row 12. A job has a minute; the clock jumps by 60."""
    fault = clock_jumped(machine_clock)
    size = size_of(fault)
    plan = Plan("clock", SEED, size.jobs, JOBS_PER_SECOND, DEADLINE_SECONDS + 120)
    customers = accounts_of_every_partition(system, f"clock-{SEED}", ACCOUNTS)
    began_at = datetime.now(UTC)
    row = await Run(system, customers, tmp_path, faults={fault: size}, plan=plan).played()
    print(f"\n{table([row])}", flush=True)  # noqa: T201  a long run says how far it is
    assert not row.wrong, "\n".join(row.wrong)
    assert set(row.ended) == {"completed"}, row.ended
    times = await _times(system)
    assert len(times) >= row.jobs
    for created_at, completed_at in times:
        assert began_at - NEAR < created_at < completed_at < datetime.now(UTC) + NEAR
    logs = "".join(path.read_text() for path in (system.state_dir / "logs").glob("*.log"))
    set_right = [float(found) for found in re.findall(r'"ahead_seconds":(-?[0-9.]+)', logs)]
    assert any(ahead > HOUR_SECONDS - 1 for ahead in set_right), set_right
    assert any(ahead < 1 - HOUR_SECONDS for ahead in set_right), set_right


async def _times(system) -> list[tuple[datetime, datetime]]:
    url = system.settings.database_url.get_secret_value()
    connection = await asyncpg.connect(url, timeout=10)
    try:
        rows = await connection.fetch("SELECT created_at, completed_at FROM generations")
    finally:
        await connection.close()
    return [(row["created_at"], row["completed_at"]) for row in rows]
