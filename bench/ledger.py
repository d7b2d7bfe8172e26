"""P1 and P2: requests that one ledger worker decides per second.

Each round: the worker is warm (one request per partition answered), is frozen, the load is put on
the topic, and the time runs from its thaw to the moment its last output was written.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aiokafka import ConsumerRecord

from bench.figures import Bar, Figure, Side, cpu_note
from bench.ledger_truth import faults_of, repeated_outputs
from bench.load import RECORDS_PER_ACCOUNT, ledger_requests, one_grant_per_partition, put
from bench.log_watch import TopicReader, reader_of, until_no_lag
from bench.rounds import interleave
from bench.stage import Plan, Stage, Worker
from runtime.settings import Settings
from schemas.codec import Record
from schemas.topics import LEDGER_EVENTS, REQUESTS

REQUESTS_FULL = 20_000
# Few enough that the repeats of a kill are over soon, enough to be in the middle of them.
REQUESTS_KILLED_FULL = 12_000
KILLS = 3
KAFKA_ALL = "acks=all on one broker, "


@dataclass(frozen=True, slots=True)
class Processor:
    """What decides, or copies, the requests."""

    name: str
    module: str
    group: str
    durability: str
    decides: bool = True


OURS = Processor(
    "ours", "processors.ledger_main", "ledger", KAFKA_ALL + "one transaction per batch"
)
NAIVE = Processor(
    "Faust agent + table",
    "bench.naive_ledger",
    "naive-ledger",
    KAFKA_ALL + "at_least_once: output, table and offsets each for itself",
)
RAW = Processor(
    "raw aiokafka",
    "bench.raw_ledger",
    "raw-ledger",
    KAFKA_ALL + "one transaction per batch",
    decides=False,
)


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure both figures in the same rounds."""
    load = ledger_requests(plan.amount(REQUESTS_FULL // RECORDS_PER_ACCOUNT))
    sides = {p.name: Side(p.name, p.durability) for p in (OURS, NAIVE, RAW)}
    faults: dict[str, list[str]] = {OURS.name: [], NAIVE.name: [], RAW.name: []}

    async def once(processor: Processor, profile_as: str | None = None) -> float:
        check = partial(_faults, processor, load)
        run = await timed_run(stage, processor, load, len(load), check, profile_as=profile_as)
        faults[processor.name] += run.faults
        if profile_as is None:
            sides[processor.name].cpu_us.append(run.cpu_seconds / len(load) * 1e6)
        return len(load) / run.seconds

    await interleave(
        {
            OURS.name: (sides[OURS.name], lambda: once(OURS)),
            NAIVE.name: (sides[NAIVE.name], lambda: once(NAIVE)),
            RAW.name: (sides[RAW.name], lambda: once(RAW)),
        },
        plan.pairs,
    )
    if plan.profile:
        await once(OURS, "P1-ours")
        await once(NAIVE, "P1-against")
    p1 = Figure(
        id="P1",
        title="ledger: requests decided by one worker",
        unit="requests/s",
        ours=sides[OURS.name],
        against=sides[NAIVE.name],
        bar=Bar(at_least=2.0),
        faults=faults[OURS.name] + faults[NAIVE.name],
    )
    p2 = replace(p1, id="P2", against=sides[RAW.name], bar=Bar(at_least=0.4))
    p2.faults = faults[OURS.name] + faults[RAW.name]
    p1.notes = [cpu_note(p1.ours, p1.against)]
    p2.notes = [cpu_note(p2.ours, p2.against)]
    await _add_kills(stage, plan, p1)
    return [p1, p2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: how long it took, and what was wrong with its results."""

    seconds: float
    cpu_seconds: float
    faults: list[str]


# Gives what is wrong with the outputs, told also what the worker was warmed up with.
Check = Callable[[Settings, Sequence[ConsumerRecord], Sequence[Record]], Awaitable[list[str]]]


async def timed_run(
    stage: Stage,
    processor: Processor,
    load: Sequence[Record],
    answered: int,
    check: Check,
    *,
    profile_as: str | None = None,
) -> Outcome:
    """Time one worker over a load that leads to so many outputs, and check them."""
    settings = await stage.fresh()
    warm = one_grant_per_partition(settings)
    await put(settings, warm)
    worker = stage.start_worker(processor.module, settings, profile_as=profile_as)
    try:
        async with reader_of(settings, LEDGER_EVENTS.name) as outputs:
            await outputs.until(len(warm), worker.check_alive)
            worker.freeze()
            await put(settings, load)
            cpu_before = worker.cpu_seconds()
            started = time.time()
            worker.thaw()
            await outputs.until(len(warm) + answered, worker.check_alive)
            cpu_seconds = worker.cpu_seconds() - cpu_before
            seconds = max(record.timestamp for record in outputs.records) / 1000 - started
            wrong = await check(settings, outputs.records, warm)
    finally:
        worker.stop()
    return Outcome(seconds, cpu_seconds, wrong)


async def _faults(
    processor: Processor,
    load: Sequence[Record],
    settings: Settings,
    records: Sequence[ConsumerRecord],
    warm: Sequence[Record],
) -> list[str]:
    inputs = [*warm, *load]
    lag = await until_no_lag(settings, settings.namespace + processor.group, REQUESTS.name)
    wrong = [f"{processor.name}: {lag} requests of lag at the end"] if lag else []
    if processor.decides:
        wrong += [f"{processor.name}: {fault}" for fault in faults_of(records, len(inputs))]
    elif Counter(r.value for r in records) != Counter(r.value for r in inputs):
        wrong.append(f"{processor.name}: the copies are not the originals")
    return wrong


# kill -9


async def _add_kills(stage: Stage, plan: Plan, figure: Figure) -> None:
    """Kill both in the middle of their work and count what was decided twice."""
    load = ledger_requests(plan.amount(REQUESTS_KILLED_FULL // RECORDS_PER_ACCOUNT), seed=2)
    kills = plan.amount(KILLS)
    for processor in (OURS, NAIVE):
        count, repeated, lost = await _after_kills(stage, processor, load, kills)
        figure.notes.append(
            f"{processor.name}: {kills} x kill -9 during {count} requests: "
            f"{repeated} decided twice, {lost} without an answer"
        )
        if processor is OURS and (repeated or lost):
            figure.faults.append(figure.notes[-1])


async def _after_kills(
    stage: Stage, processor: Processor, load: list[Record], kills: int
) -> tuple[int, int, int]:
    # 6 s: the least the broker allows; each kill costs so long until the next owner begins.
    settings = await stage.fresh(session_timeout_seconds=6.0)
    await put(settings, load)
    async with reader_of(settings, LEDGER_EVENTS.name) as outputs:
        for kill in range(1, kills + 1):
            worker = stage.start_worker(processor.module, settings)
            try:
                await _until_end(outputs, len(load) * kill // (kills + 1), worker)
            finally:
                worker.kill()
        worker = stage.start_worker(processor.module, settings)
        try:
            await until_no_lag(
                settings, settings.namespace + processor.group, REQUESTS.name, within_seconds=60
            )
            await outputs.read_on()
        finally:
            worker.stop()
    repeated, answered = repeated_outputs(outputs.records)
    return len(load), repeated, len(load) - answered


async def _until_end(outputs: TopicReader, end: int, worker: Worker) -> None:
    give_up_at = time.monotonic() + 60
    while await outputs.end() < end and time.monotonic() < give_up_at:
        worker.check_alive()
        await asyncio.sleep(0.01)
