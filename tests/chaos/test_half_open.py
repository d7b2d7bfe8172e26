"""Connections that no packet passes any more, and no reset tells of: noticed within 30 s.

What connects anew is well, as behind a router that has forgotten its connections.
"""

import time

import httpx
import pytest

from tests.chaos.links import linked_system
from tests.chaos.network import RECOVERY_SECONDS_MAX
from tests.chaos.proxy import Timeout
from tests.system.jobs import ENDED, post
from tests.waiting import eventually

PATIENCE_SECONDS = 3.0
STEADY_CALLS = 10
SETTINGS = {"TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5", "TAPEWORKS_ACTIVE_JOBS_MAX": "1000"}


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    simulated = ("--generation-seconds", "0.3", "--plain-videos")
    with linked_system(tmp_path_factory.mktemp("half-open"), *simulated, extra=SETTINGS) as linked:
        yield linked


@pytest.mark.timeout(600)
@pytest.mark.parametrize("link", ["kafka", "postgres"])
async def test_half_open_connections_are_noticed_within_30_s_and_replaced(linked, link):
    """torture.md row 14; I05."""
    customer = linked.system.new_account(4000)
    with linked.client(customer.api_key, PATIENCE_SECONDS) as client:
        assert post(client).status_code == httpx.codes.ACCEPTED
        jobs: list[str] = []
        with linked.spoiled(link, Timeout(old_alone=True)):
            began_at = well_since = time.monotonic()
            steady = 0

            async def well() -> bool:
                nonlocal steady, well_since
                asked_at = time.monotonic()
                if not (all(linked.ready().values()) and serves(client, jobs)):
                    steady, well_since = 0, time.monotonic()
                    return False
                well_since = well_since if steady else asked_at
                steady += 1
                return steady >= STEADY_CALLS

            await eventually(well, f"{link}: every call is served again", RECOVERY_SECONDS_MAX * 2)
            noticed_seconds = well_since - began_at
            print(f"{link}: noticed within {noticed_seconds:.1f} s")  # noqa: T201  the figure of the run
            assert noticed_seconds <= RECOVERY_SECONDS_MAX

            async def ended() -> bool:
                statuses = [client.get(f"/v1/generations/{job}").json()["status"] for job in jobs]
                return set(statuses) <= ENDED

            await eventually(ended, f"{link}: every job ends", RECOVERY_SECONDS_MAX)
    assert linked.system.verify().returncode == 0


def serves(client: httpx.Client, jobs: list[str]) -> bool:
    """Say whether the ledger decides on a job, and the read model shows it."""
    try:
        made = post(client)
        if made.status_code != httpx.codes.ACCEPTED:
            return False
        job = made.json()
        jobs.append(job["id"])
        read = client.get(f"/v1/generations/{job['id']}")
    except httpx.HTTPError:
        return False
    return (job["status"], read.status_code) == ("pending", httpx.codes.OK)
