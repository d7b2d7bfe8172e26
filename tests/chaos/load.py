"""The load: jobs that arrive on a schedule of their own, bought and followed by patient clients."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from devstack.http_probe import NO_TLS
from runtime.partitions import partition_of
from tests.chaos.history import EXCUSED, History, Operation, Outcome
from tests.running import Customer, RunningSystem
from tests.system.jobs import ENDED

# Enough for any number of jobs that a run has time for.
CREDITS_GRANTED = 4_000_000
# 256: below what keeps two cores busy with answering "not yet".
UNDER_WAY_MAX = 256
LOOK_EVERY_SECONDS = 0.5
RETRY_SECONDS = 0.25
CALL_TIMEOUT_SECONDS = 15.0
CONNECTIONS_MAX = 64
LIST_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What arrives, and for how long a client follows it.

    Units: `jobs_per_second` is the mean of a Poisson stream.
    """

    name: str
    seed: int
    jobs: int
    jobs_per_second: float
    job_seconds_max: float


@dataclass(slots=True)
class Posted:
    """One job of the load; `accepted` is the id it was promised, `job_id` the one last shown."""

    key: str
    customer: Customer
    accepted: asyncio.Future[str]
    job_id: str = ""
    end: str | None = None


def accounts_of_every_partition(system: RunningSystem, name: str, count: int) -> list[Customer]:
    """Make so many accounts, the first of them one in each partition."""
    partitions = system.settings.partition_count
    candidates = [f"{name}-{number}" for number in range(40 * partitions)]
    first = {partition_of(each, partitions): each for each in reversed(candidates)}
    assert len(first) == partitions, "some account name falls into each partition"
    chosen = [first[partition] for partition in sorted(first)]
    chosen += [each for each in candidates if each not in chosen][: count - partitions]
    return [system.new_account(CREDITS_GRANTED, account_id=each) for each in chosen]


@dataclass(slots=True)
class Load:
    """Open loop: arrivals wait for no answer, except that so many jobs at most are under way."""

    plan: Plan
    url: str
    customers: Sequence[Customer]
    history: History
    held_back: int = 0
    posted: list[Posted] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _client: httpx.AsyncClient | None = None
    _connections: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(CONNECTIONS_MAX)
    )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let jobs arrive for as long as the block lasts, and at least as many as planned."""
        limits = httpx.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX
        )
        async with httpx.AsyncClient(
            base_url=self.url, timeout=CALL_TIMEOUT_SECONDS, limits=limits, verify=NO_TLS
        ) as self._client:
            self._flowing.set()
            over = asyncio.Event()
            arriving = asyncio.create_task(self._arrive(over))
            try:
                yield
                over.set()
                await arriving
                await self.idle()
                await self._list_all()
            finally:
                arriving.cancel()
                for task in tuple(self._tasks):
                    task.cancel()
                await asyncio.gather(arriving, *self._tasks, return_exceptions=True)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Let nothing arrive during the block, which begins once nothing is under way."""
        self._flowing.clear()
        try:
            await self.idle()
            yield
        finally:
            self._flowing.set()

    async def idle(self) -> None:
        """Wait until every job that was posted has ended or was given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def one_per_partition(self, partitions: int) -> list[Posted]:
        """Post a job in each partition at once."""
        return [self._begin(customer) for customer in self.customers[:partitions]]

    async def _arrive(self, over: asyncio.Event) -> None:
        dice = random.Random(f"arrivals {self.plan.seed}")  # noqa: S311  replayed from its seed
        due_at = time.monotonic()
        while len(self.posted) < self.plan.jobs or not over.is_set():
            due_at += dice.expovariate(self.plan.jobs_per_second)
            await asyncio.sleep(due_at - time.monotonic())
            customer = dice.choice(self.customers)
            if not self._flowing.is_set():
                await self._flowing.wait()
                due_at = time.monotonic()
            if len(self._tasks) >= UNDER_WAY_MAX:
                self.held_back += 1
                await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)
            self._begin(customer)

    def _begin(self, customer: Customer) -> Posted:
        key = f"{self.plan.name}-{self.plan.seed}-{len(self.posted)}"
        posted = Posted(key, customer, asyncio.get_running_loop().create_future())
        self.posted.append(posted)
        task = asyncio.create_task(self._job(posted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return posted

    async def _job(self, posted: Posted) -> None:
        """Post with one key until it is answered, then look until it has ended."""
        give_up_at = time.monotonic() + self.plan.job_seconds_max
        order = {"prompt": posted.key, "duration_seconds": 4}
        while time.monotonic() < give_up_at and not posted.accepted.done():
            seen = await self._call("POST", "/v1/generations", posted, json=order)
            if seen.outcome == "ok":
                posted.job_id = seen.job_id
                posted.accepted.set_result(seen.job_id)
            else:
                await asyncio.sleep(RETRY_SECONDS)
        if not posted.accepted.done():
            posted.accepted.set_exception(TimeoutError(f"{posted.key} was never accepted"))
            # Told to whoever waits for it; nobody has to.
            posted.accepted.exception()
            return
        path = f"/v1/generations/{posted.accepted.result()}"
        while time.monotonic() < give_up_at and posted.end is None:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            seen = await self._call("GET", path, posted)
            posted.job_id = seen.shown_id or posted.job_id
            posted.end = seen.state if seen.state in ENDED else None

    async def _call(
        self, method: str, path: str, posted: Posted, *, json: object = None
    ) -> Operation:
        assert self._client is not None, "only a running load calls"
        headers = {"Authorization": f"Bearer {posted.customer.api_key}"}
        if json is not None:
            headers["Idempotency-Key"] = posted.key
        known_id = posted.accepted.result() if posted.accepted.done() else ""
        outcome: Outcome = "unknown"
        status, shown_id, state, detail = 0, "", "", ""
        # A call begins when it has a connection: what it waits for here is no fault of the system.
        async with self._connections:
            started_at = time.monotonic()
            answer = None
            try:
                answer = await self._client.request(method, path, json=json, headers=headers)
            except httpx.HTTPError as error:
                detail = repr(error)
            ended_at = time.monotonic()
        if answer is not None:
            status = answer.status_code
            outcome = "ok" if answer.is_success else "failed"
            if answer.is_success:
                shown_id, state = answer.json()["id"], answer.json()["status"]
            elif status not in EXCUSED:
                detail = answer.text[:500]
            elif "Retry-After" not in answer.headers:
                detail = "no Retry-After"
        operation = Operation(
            started_at=started_at,
            ended_at=ended_at,
            action="look" if json is None else "post",
            key=posted.key,
            outcome=outcome,
            status=status,
            job_id=known_id or shown_id,
            shown_id=shown_id,
            state=state,
            detail=detail,
        )
        self.history.add(operation)
        return operation

    async def _list_all(self) -> None:
        """Look at every job once more, as its account's list shows it."""
        keys = {each.job_id: each.key for each in self.posted}
        for customer in self.customers:
            async for started_at, job in self._pages(customer):
                if job["id"] in keys:
                    self.history.add(
                        Operation(
                            started_at=started_at,
                            ended_at=time.monotonic(),
                            action="list",
                            key=keys[job["id"]],
                            outcome="ok",
                            status=200,
                            job_id=job["id"],
                            state=job["status"],
                        )
                    )

    async def _pages(self, customer: Customer) -> AsyncIterator[tuple[float, dict[str, str]]]:
        cursor = ""
        while True:
            started_at = time.monotonic()
            page = await self._page(customer, f"/v1/generations?limit=100{cursor}")
            for job in page["items"]:
                yield started_at, job
            if not page["next_cursor"]:
                return
            cursor = f"&cursor={page['next_cursor']}"

    async def _page(self, customer: Customer, path: str) -> dict[str, Any]:
        """Fetch one page, again for as long as the system may need to come to itself."""
        assert self._client is not None, "only a running load calls"
        headers = {"Authorization": f"Bearer {customer.api_key}"}
        async with asyncio.timeout(LIST_SECONDS_MAX):
            while True:
                with suppress(httpx.TransportError):
                    answer = await self._client.get(path, headers=headers)
                    if answer.status_code not in EXCUSED:
                        answer.raise_for_status()
                        page: dict[str, Any] = answer.json()
                        return page
                await asyncio.sleep(RETRY_SECONDS)
