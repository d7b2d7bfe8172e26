"""Jobs as a client sees them: posted, followed to their end, counted."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from tests.running import Customer

T = TypeVar("T")
ENDED = {"completed", "failed", "cancelled", "rejected"}


def post(client: httpx.Client, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    asked = {"prompt": "a paper boat in the rain", "duration_seconds": 4, **body}
    return client.post("/v1/generations", json=asked, headers=headers)


def until_ended(client: httpx.Client, job_id: str, seconds: float = 40.0) -> dict[str, Any]:
    """Follow a job by its status alone, as the plainest client does (S0-06)."""
    give_up_at = time.monotonic() + seconds
    while True:
        answer = client.get(f"/v1/generations/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        if job["status"] in ENDED:
            return job
        assert time.monotonic() < give_up_at, f"still {job['status']} after {seconds} s"
        time.sleep(0.1)


def available(customer: Customer) -> int:
    with customer.client() as client:
        return int(client.get("/v1/credits").json()["available_credits"])


def transactions(customer: Customer) -> list[dict[str, Any]]:
    with customer.client() as client:
        items = client.get("/v1/credits/transactions?limit=100").json()["items"]
        return list(items)


def reads(read: Callable[[], T], expected: T, seconds: float = 10.0) -> None:
    """Wait until a read model, which follows the tape by some milliseconds, says what it should."""
    give_up_at = time.monotonic() + seconds
    while (found := read()) != expected:
        assert time.monotonic() < give_up_at, f"{found} instead of {expected}"
        time.sleep(0.05)


def until_settled(client: httpx.Client, credits_settled: int) -> None:
    """Wait until prices are kept: a job is shown as completed some milliseconds before."""
    reads(lambda: client.get("/v1/credits").json()["settled_credits"], credits_settled)
