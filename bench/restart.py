"""P9: what a worker takes from its start to ready, with much in its state.

Each round of P9 starts the ledger's worker on a million accounts, and a program that only reads
the same topic; P9-ready starts ledger and generation with jobs in flight, against a number.
"""

import asyncio
import sys
import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.figures import Bar, Figure, Side, cpu_note
from bench.full_state import fill
from bench.load import grants, put
from bench.log_watch import reader_of
from bench.rounds import interleave
from bench.stage import Plan, Stage, Worker, environment_of
from runtime.partitions import partition_of
from runtime.settings import Settings
from schemas.codec import decode
from schemas.ledger import CreditsGranted
from schemas.topics import LEDGER_EVENTS, LEDGER_STATE

ACCOUNTS_FULL = 1_000_000
READY_ACCOUNTS_FULL = 100_000
READY_JOBS_FULL = 10_000
READY_SECONDS_MAX = 5.0
RAW_WITHIN_SECONDS = 300.0
KAFKA = "state on the log, acks=all on one broker; read as committed"
# Nobody listens there: what follows ready is not looked at.
NO_PROVIDER = {"GOOGLE_AI_BASE_URL": "http://127.0.0.1:9", "GOOGLE_AI_API_KEY": "none"}


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure both figures."""
    return [await _against_raw(stage, plan), await _until_ready(stage, plan)]


async def _against_raw(stage: Stage, plan: Plan) -> Figure:
    accounts = plan.amount(ACCOUNTS_FULL)
    settings = await stage.fresh()
    left = await fill(settings, accounts, jobs=0)
    figure = Figure(
        id="P9",
        title=f"restart of a worker with {accounts:,} accounts in state",
        unit="s",
        ours=Side("ledger worker, start to ready", KAFKA),
        against=Side("raw aiokafka, start to end", KAFKA),
        bar=Bar(at_most=2.0),
    )

    async def ours(profile_as: str | None = None) -> float:
        seconds, cpu_seconds, faults = await _restarted(stage, settings, left, profile_as)
        figure.faults += faults
        figure.ours.cpu_us.append(cpu_seconds / accounts * 1e6)
        return seconds

    async def raw() -> float:
        seconds, cpu_seconds, count = await _read_raw(settings)
        figure.against.cpu_us.append(cpu_seconds / accounts * 1e6)
        if count < accounts:
            figure.faults.append(f"raw aiokafka read {count} of {accounts} records")
        return seconds

    await interleave({"ours": (figure.ours, ours), "raw": (figure.against, raw)}, plan.pairs)
    figure.notes = [cpu_note(figure.ours, figure.against)]
    if plan.profile:
        await ours("P9-ours")
    return figure


async def _until_ready(stage: Stage, plan: Plan) -> Figure:
    accounts = plan.amount(READY_ACCOUNTS_FULL)
    jobs = plan.amount(READY_JOBS_FULL)
    settings = await stage.fresh()
    left = await fill(settings, accounts, jobs)
    figure = Figure(
        id="P9-ready",
        title=f"restart with {accounts:,} accounts and {jobs:,} jobs in flight: start to ready",
        unit="s",
        ours=Side("ledger and generation, both at once", KAFKA),
        against=Side(f"{READY_SECONDS_MAX:g} s", "a figure, not a program"),
        bar=Bar(at_most=1.0),
    )

    async def both() -> float:
        (ledger_seconds, _, faults), (generation_seconds, more) = await asyncio.gather(
            _restarted(stage, settings, left, None),
            _generation_restarted(stage, settings, jobs),
        )
        figure.faults += faults + more
        return max(ledger_seconds, generation_seconds)

    async def bar() -> float:
        return READY_SECONDS_MAX

    await interleave({"ours": (figure.ours, both), "bar": (figure.against, bar)}, plan.pairs)
    return figure


async def _restarted(
    stage: Stage, settings: Settings, left: dict[str, int], profile_as: str | None
) -> tuple[float, float, list[str]]:
    """Start a ledger worker on full state.

    Units: gives the seconds to ready, those of processor time until then, and what it forgot.
    """
    started = time.monotonic()
    worker = stage.start_worker("processors.ledger_main", settings, profile_as=profile_as)
    try:
        await worker.ready()
        seconds, cpu_seconds = time.monotonic() - started, worker.cpu_seconds()
        return seconds, cpu_seconds, await _forgotten(settings, left, worker)
    finally:
        worker.stop()


async def _generation_restarted(
    stage: Stage, settings: Settings, jobs: int
) -> tuple[float, list[str]]:
    started = time.monotonic()
    worker = stage.start_worker("processors.generation_main", settings, extra=NO_PROVIDER)
    try:
        await worker.ready()
        seconds = time.monotonic() - started
        followed = await _jobs_followed(worker)
    finally:
        worker.stop()
    return seconds, [] if followed == jobs else [f"{followed} of {jobs} jobs are followed"]


async def _jobs_followed(worker: Worker) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{worker.probe_url}/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return int(sum(sample.value for sample in families["tapeworks_jobs_in_flight"].samples))


async def _forgotten(settings: Settings, left: dict[str, int], worker: Worker) -> list[str]:
    """Give an account of each partition a credit, and compare what it then has.

    Guarantee: `left` follows, for the next round.
    """
    chosen: dict[int, str] = {}
    for name in left:
        chosen.setdefault(partition_of(name, settings.partition_count), name)
    async with reader_of(settings, LEDGER_EVENTS.name) as events:
        await events.read_on()
        before = len(events.records)
        await put(settings, grants(chosen.values(), 1))
        await events.until(before + len(chosen), worker.check_alive)
    wrong = []
    for record in events.records[before:]:
        event = decode(record.key, record.value, record.headers).event
        assert isinstance(event, CreditsGranted), "nothing else was asked for"
        left[event.account_id] += 1
        if event.balance_after != left[event.account_id]:
            wrong.append(f"{event.account_id} has {event.balance_after}, not what it had")
    return wrong


async def _read_raw(settings: Settings) -> tuple[float, float, int]:
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.raw_state", settings.namespace + LEDGER_STATE.name),
        env=environment_of(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(RAW_WITHIN_SECONDS):
        said, _ = await process.communicate()
    count, cpu_seconds = said.split()
    return time.monotonic() - started, float(cpu_seconds), int(count)
