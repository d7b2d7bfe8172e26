"""A fault run: seeded jobs over every model, while the simulator spoils a share of them one way.

What each job has to end in follows from what the provider says it did to its submissions.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from runtime.video import inspect
from tests.running import Customer, RunningSystem
from tests.system.jobs import ENDED

PRICE_CREDITS = 40
# One order per door: the models of three providers, with what else each of them needs.
ORDERS: tuple[dict[str, Any], ...] = (
    {"model": "veo-3.1", "duration_seconds": 4},
    {"model": "veo-3.1-vertex", "duration_seconds": 4},
    {"model": "fal-veo-3.1", "duration_seconds": 4},
    {"model": "sora-2-image", "image_url": "https://pictures.example/fox.png"},
)
PROVIDERS = ("google", "vertex", "fal")
# What a job ends in when its last submission was spoiled so; what is not here completes.
CODE_BY_FAULT: Mapping[str, str] = {
    "error_500": "SUBMISSION_UNKNOWN",
    "error_429": "PROVIDER_QUOTA_EXHAUSTED",
    "refuse_400": "PROVIDER_REJECTED",
    "hang": "SUBMISSION_UNKNOWN",
    "drop_answer": "SUBMISSION_UNKNOWN",
    "error_after_accept": "SUBMISSION_UNKNOWN",
    "safety_block": "SAFETY_FILTER_BLOCKED",
    "never_finish": "GENERATION_TIMEOUT",
    "corrupt_download": "DOWNLOAD_FAILED",
    "tiny_download": "DOWNLOAD_FAILED",
    "html_download": "DOWNLOAD_FAILED",
}
HEALED_FAULTS = frozenset({"backwards", "expired_link"})
PLAYED_SAMPLES = 20
# 8 at once: enough to keep the ingress busy, too few to crowd out what is measured.
READS_AT_ONCE = 8
_LOOK_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Round:
    """One run of jobs while faults are armed, as the simulator's control is told them.

    Units: `jobs_at_once` is what one account keeps under way; times in seconds.
    """

    name: str
    faults: Sequence[Mapping[str, Any]]
    jobs: int
    accounts: int = 20
    jobs_at_once: int = 5
    seconds_max: float = 900.0


@dataclass
class Outcome:
    """What became of one round, and everything that was wrong with it."""

    round: Round
    store: str
    codes: Counter[str] = field(default_factory=Counter)
    refunded: int = 0
    billed_twice: int = 0
    unfinished: int = 0
    struck: int = 0
    seconds: float = 0.0
    verify: str = "not run"
    wrong: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        failed = {code: count for code, count in self.codes.items() if code != "completed"}
        codes = ", ".join(f"{code} {count}" for code, count in sorted(failed.items()))
        counts = (self.refunded, self.billed_twice, self.unfinished)
        return (
            *(self.round.name, self.store, str(self.round.jobs), str(self.struck)),
            *(str(self.codes["completed"]), f"{sum(failed.values())} {codes and f'({codes})'}"),
            *map(str, counts),
            *(f"{self.seconds:.0f}", self.verify),
        )


def at_rate(kind: str, rate: float) -> list[dict[str, Any]]:
    """Let this share of every provider's submissions go wrong in one way."""
    return [{"provider": provider, "kind": kind, "rate": rate} for provider in PROVIDERS]


def each_once(kinds: Sequence[str]) -> list[dict[str, Any]]:
    """Let one submission go wrong in each way, the providers taking turns."""
    return [
        {"provider": PROVIDERS[number % len(PROVIDERS)], "kind": kind, "next_n": 1}
        for number, kind in enumerate(kinds)
    ]


COLUMNS = (
    *("fault", "store", "jobs", "spoiled", "completed", "failed, by code", "refunded"),
    *("billed twice", "unfinished", "seconds", "verify"),
)


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [COLUMNS, *(outcome.cells() for outcome in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.strip().ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


class Run:
    """Plays one round to its end, and checks it."""

    def __init__(self, system: RunningSystem, round_: Round, store: str) -> None:
        self._system = system
        self._round = round_
        self._outcome = Outcome(round_, store)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._played = 0

    async def played(self, folder: Path) -> Outcome:
        """1. Arm the faults, 2. buy the jobs and follow them, 3. check what came of each."""
        round_, began_at = self._round, time.monotonic()
        sizes = [len(range(n, round_.jobs, round_.accounts)) for n in range(round_.accounts)]
        customers = [self._system.new_account(PRICE_CREDITS * size) for size in sizes]
        self._arm()  # 1.
        try:
            async with asyncio.timeout(round_.seconds_max), asyncio.TaskGroup() as group:  # 2.
                for number, customer in enumerate(customers):
                    group.create_task(self._buy(customer, number))
        except TimeoutError:
            self._outcome.wrong.append(f"not over after {round_.seconds_max} s")
        finally:
            with self._system.simulator() as control:
                control.delete("/_control/faults").raise_for_status()
        self._outcome.seconds = time.monotonic() - began_at
        rows = self._submissions()
        await asyncio.gather(*(self._check(each, rows, folder) for each in customers))  # 3.
        self._outcome.unfinished = round_.jobs - self._outcome.codes.total()
        return self._outcome

    def _arm(self) -> None:
        with self._system.simulator() as control:
            for fault in self._round.faults:
                control.post("/_control/faults", json=fault).raise_for_status()

    def _prompt(self, account: int, job: int) -> str:
        return f"{self._round.name} of account {account}, job {job}"

    async def _buy(self, customer: Customer, account: int) -> None:
        """Keep a few jobs under way until all are bought, then wait until all are over."""
        jobs = len(range(account, self._round.jobs, self._round.accounts))
        bought = 0
        async with self._client(customer) as client:
            while True:
                ended = await self._ended(client) if bought else 0
                if ended == jobs:
                    return
                while bought < jobs and bought - ended < self._round.jobs_at_once:
                    await self._post(client, account, bought)
                    bought += 1
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _post(self, client: httpx.AsyncClient, account: int, job: int) -> None:
        prompt = self._prompt(account, job)
        order = {"prompt": prompt, **ORDERS[(account + job) % len(ORDERS)]}
        answer = await client.post(
            "/v1/generations", json=order, headers={"Idempotency-Key": f"{account}-{job}"}
        )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    async def _ended(self, client: httpx.AsyncClient) -> int:
        return sum(job["status"] in ENDED for job in await _jobs(client))

    async def _check(
        self, customer: Customer, rows: Mapping[str, list[dict[str, Any]]], folder: Path
    ) -> None:
        async with self._client(customer) as client:
            jobs = await _jobs(client)
            await asyncio.gather(
                *(self._check_job(client, job, rows[job["prompt"]], folder) for job in jobs)
            )
            await self._check_money(client, jobs)

    async def _check_job(
        self,
        client: httpx.AsyncClient,
        job: dict[str, Any],
        rows: Sequence[dict[str, Any]],
        folder: Path,
    ) -> None:
        if job["status"] not in ENDED:
            self._wrong(job, f"is {job['status']}")
            return
        async with self._reads:
            if job["status"] == "completed":
                code = "completed"
                await self._check_file(client, job, folder)
            else:
                code = await self._failure_code(client, job)
        outcome = self._outcome
        outcome.codes[code] += 1
        outcome.refunded += job["refunded_credits"] == job["price_credits"]
        outcome.struck += any(row["fault"] for row in rows)
        if sum(row["billed"] for row in rows) > 1:
            outcome.billed_twice += 1
            self._wrong(job, "was billed more than once")
        expected = expected_end(rows)
        if code != expected:
            self._wrong(job, f"ended in {code}, not in {expected}")
        paid_back = 0 if code == "completed" else job["price_credits"]
        if job["refunded_credits"] != paid_back:
            self._wrong(job, f"was paid back {job['refunded_credits']}, not {paid_back}")

    async def _failure_code(self, client: httpx.AsyncClient, job: dict[str, Any]) -> str:
        """Give how a job failed; no link may lead to anything."""
        link = await client.get(f"/v1/generations/{job['id']}/video")
        if link.status_code != httpx.codes.CONFLICT or job["video"] is not None:
            self._wrong(job, f"failed and has a video: {link.text}")
        answer = await client.get(f"/v1/generations/{job['id']}")
        error = answer.json()["error"]
        return str(error["code"]) if error else str(job["status"])

    async def _check_file(
        self, client: httpx.AsyncClient, job: dict[str, Any], folder: Path
    ) -> None:
        """Fetch a video as its owner does: its bytes must be those promised; a sample is played."""
        link = await client.get(f"/v1/generations/{job['id']}/video")
        answer = await client.get(link.json()["url"], headers={"Authorization": ""})
        content, video = answer.content, job["video"]
        found = (len(content), sha256(content).hexdigest())
        if answer.status_code != httpx.codes.OK or found != (video["size_bytes"], video["sha256"]):
            self._wrong(job, f"has another file than promised (HTTP {answer.status_code})")
            return
        if self._played < PLAYED_SAMPLES:
            self._played += 1
            file = folder / f"{job['id']}.mp4"
            await asyncio.to_thread(file.write_bytes, content)
            facts = await inspect(file)
            if (facts.duration_ms, facts.width_pixels) != (4000, 1280):
                self._wrong(job, f"has a video of another kind: {facts}")

    async def _check_money(self, client: httpx.AsyncClient, jobs: Sequence[dict[str, Any]]) -> None:
        kept = sum(job["price_credits"] for job in jobs if job["status"] == "completed")
        granted = sum(job["price_credits"] for job in jobs)
        expected = {
            "available_credits": granted - kept,
            "reserved_credits": 0,
            "settled_credits": kept,
            "granted_credits": granted,
        }
        give_up_at = time.monotonic() + 10
        # A price is kept some milliseconds after its job is shown as completed.
        while True:
            said = (await client.get("/v1/credits")).json()
            found = {name: said[name] for name in expected}
            if found == expected:
                return
            if time.monotonic() > give_up_at:
                self._outcome.wrong.append(f"{said['account_id']}: {found}, not {expected}")
                return
            await asyncio.sleep(0.1)

    def _submissions(self) -> Mapping[str, list[dict[str, Any]]]:
        with self._system.simulator() as control:
            rows = control.get("/_control/submissions").json()
        by_prompt: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            by_prompt[row["prompt"]].append(row)
        return by_prompt

    def _client(self, customer: Customer) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._system.variables["TAPE_URL"],
            headers={"Authorization": f"Bearer {customer.api_key}"},
            timeout=30,
        )

    def _wrong(self, job: Mapping[str, Any], what: str) -> None:
        self._outcome.wrong.append(f"{job['id']} ({job['prompt']}) {what}")


def expected_end(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what a job has to end in, by the provider's own account of its submissions."""
    if not rows:
        return "at least one submission"
    fault = rows[-1]["fault"]
    assert fault is None or fault in CODE_BY_FAULT or fault in HEALED_FAULTS, fault
    return CODE_BY_FAULT.get(fault or "", "completed")


async def _jobs(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/v1/generations?limit=100")
    answer.raise_for_status()
    jobs: list[dict[str, Any]] = answer.json()["items"]
    return jobs
