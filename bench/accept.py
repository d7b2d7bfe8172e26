"""P3: POST /v1/generations to 202 with the ledger's decision, against a FastAPI echo of the body.

What runs: ingress, one ledger worker, broker, Postgres; not the generation workers, projections and
simulator, whose work comes after the answer. Highest rate: the highest of some two-second steps,
each rate chosen by how the last went, at which 99 of 100 answers come within 100 ms and every one
carries the decision.
"""

import asyncio
import json
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from pydantic import SecretStr

from bench.accounts import accounts_with_keys, authorized
from bench.figures import Bar, Figure, Side
from bench.http_load import ANSWER_SECONDS_MAX, Answers, Load, LoadProcess, request
from bench.load import PROMPT
from bench.log_watch import reader_of, until_no_lag
from bench.processor_time import cpu_seconds
from bench.rounds import interleave
from bench.stage import Plan, Stage, Worker, record_profile
from devstack.ports import LOOPBACK, free_port
from runtime.settings import Settings
from schemas.topics import LEDGER_EVENTS, REQUESTS

ACCOUNTS_FULL = 2000
STEP_SECONDS_FULL = 2.0
STEPS = 5
FIRST_RATES = {"ours": 300.0, "echo": 1500.0}
LATENCY_SECONDS_MAX = 0.1
# A rate is taken as too low to be told apart from none.
RATE_MIN = 5.0
CALM_RATE = 200.0
CALM_SECONDS_FULL = 5.0
CALM_BAR_MS = 30.0
# 60 s: a broker that has just started compiles itself for as long, on a core of its own.
WARM_SECONDS_FULL = 60.0
PROFILE_RATE = 300.0
PROFILE_SECONDS = 10.0
ACCEPTED = 202
DECIDED = b'"status":"pending"'
BODY = json.dumps({"prompt": PROMPT, "duration_seconds": 8}).encode()


@dataclass
class Target:
    """One side's server and what is sent to it."""

    name: str
    load: Callable[[float, float], Load]
    send: Callable[[Load], Answers]
    worker: Worker
    right: bytes
    rate: float
    answers: list[bytes] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    async def offer(self, rate: float, seconds: float) -> tuple[float, bool]:
        """Offer a rate for a while; give the 99th percentile, seconds, and if all was right."""
        before = cpu_seconds(self.worker.pid)
        answers = await asyncio.to_thread(self.send, self.load(rate, seconds))
        self.worker.check_alive()
        self.cpu_us.append((cpu_seconds(self.worker.pid) - before) / len(answers.seconds) * 1e6)
        self.answers += answers.bodies
        right = all(
            status == ACCEPTED and self.right in body
            for status, body in zip(answers.statuses, answers.bodies, strict=True)
        )
        return answers.quantile(0.99), right

    async def highest_rate(self, seconds: float, steps: int) -> float:
        """Search for the highest rate that is answered in time, from where the last round ended."""
        passed, failed = 0.0, float("inf")
        taken = 0
        while (taken < steps or not passed) and self.rate > RATE_MIN:
            latency, right = await self.offer(self.rate, seconds)
            taken += 1
            if right and latency <= LATENCY_SECONDS_MAX:
                passed = max(passed, self.rate)
            else:
                failed = min(failed, self.rate)
            if passed and failed < float("inf"):
                self.rate = (passed * failed) ** 0.5
            else:
                self.rate = passed * 1.4 or failed / 1.6
        self.rate = passed or RATE_MIN
        return self.rate

    async def calm_latency(self, seconds: float) -> float:
        """Give the 99th percentile at 200 requests a second, milliseconds."""
        latency, _ = await self.offer(CALM_RATE, seconds)
        # What was not answered counts as the longest that the generator waits.
        return min(latency, ANSWER_SECONDS_MAX) * 1000


@dataclass(frozen=True)
class Accepting:
    """A running ingress and ledger, and accounts with credits whose keys are known there."""

    settings: Settings
    keys: list[str]
    ingress: Worker
    ledger: Worker

    @property
    def url(self) -> str:
        return _url(self.settings)


@asynccontextmanager
async def accepting(
    stage: Stage, accounts: int, active_jobs_max: int = 1000
) -> AsyncIterator[Accepting]:
    """Run what a POST needs until it is answered, and nothing of what comes after.

    No job ends there: an account has as many accepted as `active_jobs_max` says.
    """
    settings = await _settings(stage, active_jobs_max)
    # What is logged by default is logged here.
    extra = {"TAPEWORKS_LOG_LEVEL": settings.log_level}
    ledger = stage.start_worker("processors.ledger_main", settings, extra=extra)
    ingress = stage.start_worker("ingress", settings, extra=extra)
    try:
        keys = await accounts_with_keys(settings, accounts)
        await ingress.until_answers(f"{_url(settings)}/readyz")
        await ledger.ready()
        await until_no_lag(settings, settings.namespace + "ledger", REQUESTS.name, 60)
        yield Accepting(settings, keys, ingress, ledger)
    finally:
        ingress.stop()
        ledger.stop()


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure both figures on one running system."""
    async with accepting(stage, plan.amount(ACCOUNTS_FULL, 50)) as running:
        echo_settings = running.settings.model_copy(update={"http_port": free_port()})
        echo = stage.start_worker("bench.echo", echo_settings)
        try:
            await echo.until_answers(f"{_url(echo_settings)}/readyz")
            with LoadProcess() as sender:
                ours = target_of(running, sender)
                against = _against(echo_settings, sender, echo)
                await warm(running, sender, [ours, against], plan)
                figures = await _figures(plan, ours, against, running.ledger)
                if plan.profile:
                    await _profile(stage, ours, running.ledger)
            figures[0].faults += await faults_of(running.settings, ours.answers)
        finally:
            echo.stop()
    return figures


async def _settings(stage: Stage, active_jobs_max: int) -> Settings:
    return await stage.with_tables(
        await stage.fresh(
            active_jobs_max=active_jobs_max,
            http_port=free_port(),
            media_signing_key=SecretStr("benchmark" * 4),
        )
    )


def _url(settings: Settings) -> str:
    return f"http://{LOOPBACK}:{settings.http_port}"


def posts_of(keys: list[str]) -> list[bytes]:
    """Write one order for each account; where it is sent again it is a new one."""
    return [
        request("POST", "/v1/generations", {**header, "Idempotency-Key": "load-{number}"}, BODY)
        for header in authorized(keys)
    ]


def target_of(running: Accepting, sender: LoadProcess) -> Target:
    """Send orders of all accounts in turn."""
    posts = posts_of(running.keys)
    numbers = count(0, 10**6)

    def load(rate: float, seconds: float) -> Load:
        start = next(numbers)
        # Each step goes on with other accounts, so that all have about as many jobs.
        turned = posts[start // 7 % len(posts) :] + posts[: start // 7 % len(posts)]
        return Load(running.url, turned, rate, seconds, first_number=start, bodies_kept=True)

    return Target("ours", load, sender.send, running.ingress, DECIDED, FIRST_RATES["ours"])


def _against(settings: Settings, sender: LoadProcess, worker: Worker) -> Target:
    posts = [request("POST", "/echo", {"Idempotency-Key": "load-{number}"}, BODY)]

    def load(rate: float, seconds: float) -> Load:
        return Load(_url(settings), posts, rate, seconds, bodies_kept=True)

    return Target("echo", load, sender.send, worker, b'"prompt":', FIRST_RATES["echo"])


async def warm(
    running: Accepting, sender: LoadProcess, targets: Sequence[Target], plan: Plan
) -> None:
    """Have every key looked up once, and each path run until the broker is compiled."""
    reads = [request("GET", "/v1/models", header) for header in authorized(running.keys)]
    looked_up = Load(running.url, reads, 400, len(reads) / 400)
    await asyncio.to_thread(sender.send, looked_up)
    for target in targets:
        await target.offer(CALM_RATE, max(1.0, WARM_SECONDS_FULL * min(1.0, plan.scale)))
        target.cpu_us.clear()


async def _figures(plan: Plan, ours: Target, against: Target, ledger: Worker) -> list[Figure]:
    kafka = "decision on the log, acks=all on one broker"
    rates = Figure(
        id="P3",
        title="durable accept, p99 within 100 ms",
        unit="requests/s",
        ours=Side("ours", kafka),
        against=Side("FastAPI echo", "none: a body given back"),
        bar=Bar(at_least=0.3),
    )
    calm = Figure(
        id="P3-p99",
        title="durable accept at 200/s, p99",
        unit="ms",
        ours=Side("ours", kafka),
        against=Side(f"{CALM_BAR_MS:g} ms", "a figure, not a program"),
        bar=Bar(at_most=1.0),
    )
    seconds = max(0.3, STEP_SECONDS_FULL * min(1.0, plan.scale))
    steps = plan.amount(STEPS, 2)
    cpu_before, answered_before = cpu_seconds(ledger.pid), len(ours.answers)
    await interleave(
        {
            target.name: (side, partial(target.highest_rate, seconds, steps))
            for target, side in ((ours, rates.ours), (against, rates.against))
        },
        plan.pairs,
    )

    ledger_us = (cpu_seconds(ledger.pid) - cpu_before) / (len(ours.answers) - answered_before) * 1e6
    rates.notes.append(
        "processor time for each request, microseconds: ingress "
        f"{statistics.median(ours.cpu_us):,.0f}, ledger {ledger_us:,.0f}, "
        f"echo {statistics.median(against.cpu_us):,.0f}"
    )
    echo_calm = Side("FastAPI echo", "none")
    calm_seconds = max(0.5, CALM_SECONDS_FULL * min(1.0, plan.scale))
    await interleave(
        {
            "ours": (calm.ours, partial(ours.calm_latency, calm_seconds)),
            "bar": (calm.against, _thirty),
            "echo": (echo_calm, partial(against.calm_latency, calm_seconds)),
        },
        plan.pairs,
    )
    calm.notes.append(f"the echo's own p99 at 200/s: {statistics.median(echo_calm.values):.1f} ms")
    return [rates, calm]


async def _thirty() -> float:
    return CALM_BAR_MS


async def _profile(stage: Stage, ours: Target, ledger: Worker) -> None:
    profilers = [
        record_profile(worker.pid, stage.results / f"P3-{name}.svg")
        for name, worker in (("ingress", ours.worker), ("ledger", ledger))
    ]
    await ours.offer(PROFILE_RATE, PROFILE_SECONDS)
    for profiler in profilers:
        profiler.send_signal(2)
        profiler.wait(20)


async def faults_of(settings: Settings, answers: list[bytes]) -> list[str]:
    """Compare what clients were told with what is on the log."""
    lag = await until_no_lag(settings, settings.namespace + "ledger", REQUESTS.name)
    wrong = [f"{lag} requests of lag at the end"] if lag else []
    told = [json.loads(body)["id"] for body in answers if DECIDED in body]
    async with reader_of(settings, LEDGER_EVENTS.name) as reader:
        await reader.read_on()
    headers = [dict(record.headers) for record in reader.records]
    reserved = [h["ce_subject"].decode() for h in headers if h["ce_type"].endswith(b"Reserved")]
    if len(set(reserved)) != len(reserved):
        wrong.append(f"{len(reserved) - len(set(reserved))} jobs reserved twice")
    if len(set(told)) != len(told) or not set(told) <= set(reserved):
        wrong.append("clients were told of jobs that are not on the log, or twice")
    return wrong
