"""Machines whose clocks differ (torture.md row 12)."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from runtime.broker_clock import BrokerClock
from tests.running import clean_environment
from tests.system.jobs import post, until_ended

NEAR = timedelta(seconds=2)


async def test_a_clock_is_compared_with_the_brokers(settings):
    for minutes in (0, 20, -20):
        ahead = timedelta(minutes=minutes)

        def now(ahead: timedelta = ahead) -> datetime:
            return datetime.now(UTC) + ahead

        assert abs(await BrokerClock(settings).ahead(now) - ahead) < NEAR


def test_a_worker_whose_machine_is_20_minutes_ahead_ends_no_job_early(system):
    """A job has 15 minutes by default, by any clock."""
    customer = system.new_account(1000)
    environment = clean_environment(system.state_dir, {**system.extra, **system.variables})
    with (
        system.without("generation"),
        subprocess.Popen(
            [sys.executable, "-m", "tests.system.skewed_worker"],
            env={**environment, "TAPEWORKS_PROBE_PORT": "0"},
            stderr=subprocess.PIPE,
            text=True,
        ) as worker,
        customer.client() as client,
    ):
        try:
            job = until_ended(client, post(client).json()["id"])
        finally:
            worker.terminate()
            _, log = worker.communicate(timeout=30)
    assert job["status"] == "completed", job
    took = datetime.fromisoformat(job["completed_at"]) - datetime.fromisoformat(job["created_at"])
    assert timedelta() < took < timedelta(minutes=1)
    assert 1190 < _seconds_ahead(log) < 1210


def _seconds_ahead(log: str) -> float:
    line = next(line for line in log.splitlines() if "clock_set_by_broker" in line)
    return float(json.loads(line)["ahead_seconds"])
