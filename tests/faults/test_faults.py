"""A share of all submissions goes wrong, one way or every way: each job ends, and rightly.

`make test` mixes every kind in one small round on S3; `make faults` gives each kind a full
round of its own and prints what came of each.
"""

import os

import pytest

from simulator.faults import FaultKind
from tests.faults.harness import (
    CODE_BY_FAULT,
    HEALED_FAULTS,
    Outcome,
    Round,
    Run,
    at_rate,
    each_once,
    table,
)
from tests.running import running_system

JOBS_EACH = int(os.environ.get("TAPE_FAULT_JOBS", "0"))
CHOSEN = os.environ.get("TAPE_FAULT_KINDS", "")
# Files are what every other test of a whole system stores.
STORES = os.environ.get("TAPE_FAULT_STORES", "file,s3" if JOBS_EACH else "s3").split(",")
SHARE = 0.20
KINDS = tuple(kind.value for kind in FaultKind)
# 15 min: 13,000 jobs are 130,000 events and as many files as completed.
VERIFY_SECONDS_MAX = 900.0
# Shorter than by default (15 min; 60 s; 2 s; 60 s), so that what never ends is over in seconds
# and a breaker that five spoiled calls in a row open is closed well before a job's deadline.
# A full round has 100 jobs under way: those that were turned away wait for the retry budget.
SHORTENED = {
    "TAPEWORKS_GENERATION_TIMEOUT_SECONDS": "60" if JOBS_EACH else "12",
    "TAPEWORKS_SUBMIT_TIMEOUT_SECONDS": "5",
    "TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5",
    "TAPEWORKS_BREAKER_OPEN_SECONDS": "3",
}
# One account of a run buys more at once than a customer may.
WIDENED = {"TAPEWORKS_ACTIVE_JOBS_MAX": "100"}


def rounds() -> list[Round]:
    if JOBS_EACH:
        chosen = CHOSEN.split(",") if CHOSEN else KINDS
        return [Round(kind, at_rate(kind, SHARE), JOBS_EACH) for kind in chosen]
    jobs = round(len(KINDS) / SHARE)
    return [Round("every kind once", each_once(KINDS), jobs, accounts=5, jobs_at_once=6)]


@pytest.fixture(params=STORES)
def store(request):
    return request.param


@pytest.fixture
def system(store, tmp_path, request):
    """Run a system of its own, whose videos go to this store."""
    extra = {**SHORTENED, **WIDENED}
    if store == "s3":
        extra["OBJECT_STORE_URL"] = f"s3://{request.getfixturevalue('bucket').name}"
    simulated = ("--generation-seconds", "0.5", "--plain-videos")
    with running_system(tmp_path / "tape", *simulated, extra=extra) as running:
        yield running


def test_every_kind_of_fault_has_an_expected_end():
    """A new kind of fault is a question to this run."""
    assert set(KINDS) == {*CODE_BY_FAULT, *HEALED_FAULTS}


@pytest.mark.timeout(7200)
async def test_every_job_ends_and_is_paid_rightly_whatever_the_provider_does(
    system, store, tmp_path
):
    """I05, I07, I18, I21, C16 to C19; torture.md rows 21, 22, 24, 25, 27."""
    outcomes: list[Outcome] = []
    wrong: list[str] = []
    for round_ in rounds():
        outcome = await Run(system, round_, store).played(tmp_path)
        outcome.verify, report = verified(system)
        outcomes.append(outcome)
        wrong += [f"{round_.name}: {what}" for what in (*outcome.wrong, *report)]
        print(table(outcomes[-1:]), flush=True)  # noqa: T201  a long run says how far it is
    print(f"\n{shortened()}\n{table(outcomes)}")  # noqa: T201  what a run is for
    assert not wrong, "\n".join(wrong)


def shortened() -> str:
    return "shortened: " + ", ".join(f"{name}={value}" for name, value in SHORTENED.items())


def verified(system) -> tuple[str, list[str]]:
    """Give what `tape verify --at-rest` says, and all of it if that is not well."""
    # Twice at most: the read models are some milliseconds behind the accounts' last change.
    for _ in range(2):
        report = system.verify("--at-rest", timeout_seconds=VERIFY_SECONDS_MAX)
        if report.returncode == 0:
            return "green", []
    return "red", report.stdout.splitlines()
