"""The whole system under every fault of torture.md that this machine can make: a row for each.

`make test` runs each fault small, `make torture` at full size. Sizes, faults and seed are
variables; a run that fails prints the command that repeats its schedule.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.chaos.fault import Fault, Size
from tests.chaos.faults import ELSEWHERE, FAULTS, TOGETHER
from tests.chaos.load import Plan, accounts_of_every_partition
from tests.chaos.play import Run
from tests.chaos.table import Row, table
from tests.running import running_system

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("TAPE_TORTURE_SIZE", "small") == "full"
CHOSEN = os.environ.get("TAPE_TORTURE_FAULTS", "")
SEED = int(os.environ.get("TAPE_TORTURE_SEED", "20261121"))
STRIKES = os.environ.get("TAPE_TORTURE_STRIKES", "")
JOBS = os.environ.get("TAPE_TORTURE_JOBS", "")
HOLD_SECONDS = os.environ.get("TAPE_TORTURE_HOLD_SECONDS", "")
JOBS_PER_SECOND = float(os.environ.get("TAPE_TORTURE_JOBS_PER_SECOND", "4"))
ACCOUNTS = int(os.environ.get("TAPE_TORTURE_ACCOUNTS", "24"))
# A small run waits for what never ends; a large one has jobs of every age when something strikes.
DEADLINE_SECONDS = float(os.environ.get("TAPE_TORTURE_DEADLINE_SECONDS", "60" if FULL else "20"))
# Where jobs have as long as by default, so has the breaker: each of its probes is an attempt.
BREAKER_SECONDS = 60 if Settings().generation_timeout_seconds <= DEADLINE_SECONDS else 3
FAULT_BY_NAME = {fault.name: fault for fault in FAULTS}
# Shorter than by default (2 s here, 10 s, 15 min, 60 s, 60 s), so that what waits for them is over
# in seconds.
SHORTENED = {
    "TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5",
    "TAPEWORKS_SESSION_TIMEOUT_SECONDS": "6",
    "TAPEWORKS_GENERATION_TIMEOUT_SECONDS": str(DEADLINE_SECONDS),
    "TAPEWORKS_SUBMIT_TIMEOUT_SECONDS": "5",
    "TAPEWORKS_BREAKER_OPEN_SECONDS": str(BREAKER_SECONDS),
}
# One account of a run buys more at once than a customer may.
WIDENED = {"TAPEWORKS_ACTIVE_JOBS_MAX": "1000"}
ARGUMENTS = (
    *("--workers", "ledger=2,generation=2,projections=2"),
    *("--generation-seconds", "1", "--plain-videos"),
)


def chosen() -> list[tuple[Fault, ...]]:
    """Give what is run at one time: each fault by itself, unless all are run small."""
    if not CHOSEN and not FULL:
        return [tuple(FAULT_BY_NAME[name] for name in names) for names in TOGETHER]
    wanted = CHOSEN.split(",") if CHOSEN else [*FAULT_BY_NAME]
    unknown = sorted(set(wanted) - set(FAULT_BY_NAME))
    known = ", ".join(FAULT_BY_NAME)
    assert not unknown, f"TAPE_TORTURE_FAULTS: no fault {unknown}; there are {known}"
    return [(FAULT_BY_NAME[name],) for name in wanted]


def size_of(fault: Fault) -> Size:
    size = fault.full if FULL else fault.small
    if STRIKES:
        size = replace(size, strikes=int(STRIKES))
    if JOBS:
        size = replace(size, jobs=int(JOBS))
    if HOLD_SECONDS:
        size = replace(size, hold_seconds=float(HOLD_SECONDS))
    return size


def replay_command(faults: Sequence[Fault]) -> str:
    """Give the command that repeats a run's schedule: its arrivals, its victims, its pauses."""
    set_here = {name: text for name, text in os.environ.items() if name.startswith("TAPE_TORTURE_")}
    if len(faults) == 1:
        set_here["TAPE_TORTURE_FAULTS"] = faults[0].name
    set_here["TAPE_TORTURE_SEED"] = str(SEED)
    words = [f"{name}={text}" for name, text in sorted(set_here.items())]
    return " ".join([*words, ".venv/bin/python -m pytest -s tests/chaos"])


class Stage:
    """What the rows of one session share."""

    def __init__(self, system, folder) -> None:
        self.system = system
        self.folder = folder
        self.customers = accounts_of_every_partition(system, f"torture-{SEED}", ACCOUNTS)
        self.rows: list[Row] = []


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torture")
    with running_system(folder / "tape", *ARGUMENTS, extra={**SHORTENED, **WIDENED}) as system:
        made = Stage(system, folder)
        try:
            yield made
        finally:
            if any(row.wrong for row in made.rows):
                shutil.copytree(folder / "tape" / "logs", folder / "logs")
        print(f"\nseed {SEED}; records of what was done and seen: {folder}\n{table(made.rows)}")  # noqa: T201  what a run is for


def test_every_fault_is_part_of_a_small_run_or_has_a_small_test_elsewhere():
    played = [name for names in TOGETHER for name in names]
    assert sorted([*played, *ELSEWHERE]) == sorted(FAULT_BY_NAME)
    assert all((ROOT / test).is_file() for test in ELSEWHERE.values())


@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("faults", chosen(), ids=lambda faults: "+".join(f.name for f in faults))
async def test_nothing_is_lost_doubled_or_stuck_under(stage, faults):
    """I05, I06, I07, I11, I19; torture.md section 1, and of section 2 the row of each fault."""
    sizes = {fault: size_of(fault) for fault in faults}
    plan = Plan(
        name=f"{faults[0].name}-{len(stage.rows)}",
        seed=SEED,
        jobs=max(size.jobs for size in sizes.values()),
        jobs_per_second=JOBS_PER_SECOND,
        job_seconds_max=DEADLINE_SECONDS + 120,
    )
    run = Run(stage.system, stage.customers, stage.folder, faults=sizes, plan=plan)
    row = await run.played()
    stage.rows.append(row)
    print(f"\n{table([row])}", flush=True)  # noqa: T201  a long run says how far it is
    again = f"{len(row.wrong)} in all; seed {SEED}; replay: {replay_command(faults)}"
    assert not row.wrong, "\n".join([*row.wrong[:50], again])
