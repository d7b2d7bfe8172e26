"""Cancellation through the running system, aimed at the moment of completion (C28)."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any
from uuid import uuid4

from tests.running import Customer
from tests.system.jobs import available, post, reads, transactions, until_ended

# 34 x 3 = 102 jobs: as many at once as each account may have.
CUSTOMERS, JOBS_EACH = 34, 3
MODELS = ("veo-3.1", "fal-veo-3.1")  # One that cannot be stopped, one that can.
# 6 s: a generation takes 1.5 s here, and some more with its queue, polls and download.
CANCEL_WITHIN_SECONDS = 6.0


def race(customer: Customer, seed: int) -> list[dict[str, Any]]:
    """Post three jobs, cancel each at some moment around its completion, follow them to the end."""
    random = Random(seed)  # noqa: S311  a seed to play again, no secret
    with customer.client() as client:
        answers = [post(client, model=random.choice(MODELS)) for _ in range(JOBS_EACH)]
        job_ids = [answer.json()["id"] for answer in answers]
        began_at = time.monotonic()
        moments = sorted(random.uniform(0, CANCEL_WITHIN_SECONDS) for _ in job_ids)
        for job_id, moment in zip(job_ids, moments, strict=True):
            # The race itself: there is no condition to wait for, only a moment.
            time.sleep(max(0.0, began_at + moment - time.monotonic()))
            answer = client.post(f"/v1/generations/{job_id}/cancel")
            assert answer.status_code in {202, 409}, answer.text
        return [until_ended(client, job_id, seconds=90) for job_id in job_ids]


def test_a_hundred_jobs_cancelled_around_their_completion_have_one_end_each_C28(system):
    """C28, I05, I06, I20, torture row 33: never both a video and a refund."""
    customers = [system.new_account(1000) for _ in range(CUSTOMERS)]
    with ThreadPoolExecutor(CUSTOMERS) as pool:
        ended = list(pool.map(race, customers, range(CUSTOMERS)))
    for customer, jobs in zip(customers, ended, strict=True):
        kept = 0
        for job in jobs:
            assert job["status"] in {"completed", "cancelled"}, job
            refunded = job["refunded_credits"]
            if job["status"] == "completed":
                assert (refunded, job["video"] is not None) == (0, True)
            else:
                assert job["video"] is None
                assert refunded == (0 if job["operation_id"] else job["price_credits"]), job
            kept += job["price_credits"] - refunded
        reads(partial(available, customer), 1000 - kept)
        rows = transactions(customer)
        assert all(
            later["balance_after"] == earlier["balance_after"] + later["amount_credits"]
            for later, earlier in pairwise(rows)
        )
    statuses = {job["status"] for jobs in ended for job in jobs}
    assert statuses == {"completed", "cancelled"}, "the cancellations missed the completions"
    report = system.verify()
    assert report.returncode == 0, report.stdout


def test_a_cancellation_reaches_a_provider_that_takes_one_S1_24(system):
    """S1-24, C28: what waited in its queue is never made, and never billed."""
    customer = system.new_account(100)
    prompt = f"cancelled in the queue {uuid4()}"
    with system.simulator() as control, customer.client() as client:

        def billed() -> list[bool]:
            rows = control.get("/_control/submissions").json()
            return [row["billed"] for row in rows if row["prompt"] == prompt]

        control.post("/_control/clock", json={"seconds": 60})
        try:
            job_id = post(client, prompt=prompt, model="fal-veo-3.1").json()["id"]
            reads(billed, [True])
        finally:
            control.post("/_control/clock", json={"seconds": 1.5})
        answer = client.post(f"/v1/generations/{job_id}/cancel")
        assert answer.json()["cancellation"] == "accepted", answer.text
        assert until_ended(client, job_id)["status"] == "cancelled"
        assert billed() == [False]
