"""P6: rows that the live projector writes per second, from the topics into Postgres.

Each round: the worker is warm, is frozen, whole lives of jobs are put on the three topics, and the
time runs from its thaw to the commit of the last row.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from bench.figures import Bar, Figure, Side, cpu_note
from bench.load import put
from bench.log_watch import reader_of
from bench.rounds import interleave
from bench.stage import Plan, Stage, Worker
from bench.tape import job_lives
from projections.credits import transaction_of
from projections.generations import change_of
from runtime.settings import Settings
from schemas.codec import Record, decode
from schemas.ledger import LedgerEvent

JOBS_FULL = 2_000
# Enough that every partition has some.
WARM_JOBS = 64
WITHIN_SECONDS = 240.0
LOOK_EVERY_SECONDS = 0.02
FSYNC = "fsync and synchronous_commit on"
TABLES = {
    "generations": "SELECT * FROM generations ORDER BY job_id",
    "accounts": "SELECT * FROM accounts ORDER BY account_id",
    "credit_transactions": "SELECT * FROM credit_transactions ORDER BY account_id, sequence",
}
Tape = Mapping[str, Sequence[Record]]
Tables = dict[str, list[asyncpg.Record]]


@dataclass(frozen=True, slots=True)
class Load:
    """What is projected: what a worker is warmed up with, and what is measured."""

    warm: Tape
    measured: Tape

    @property
    def events(self) -> int:
        return sum(len(records) for tape in (self.warm, self.measured) for records in tape.values())


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: how long it took, and the tables it left."""

    seconds: float
    cpu_seconds: float
    tables: Tables


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure P6."""
    load = Load(job_lives(WARM_JOBS, "warm"), job_lives(plan.amount(JOBS_FULL)))
    rows = rows_of(load.measured)
    results: list[Tables] = []

    async def once(module: str, side: Side, profile_as: str | None = None) -> float:
        run = await _run(stage, module, load, profile_as)
        results.append(run.tables)
        side.cpu_us.append(run.cpu_seconds / rows * 1e6)
        return rows / run.seconds

    ours = Side("ours", FSYNC + "; one commit per batch, with its offset")
    against = Side("upsert per event", FSYNC + "; one commit per event")
    await interleave(
        {
            "ours": (ours, lambda: once("projections", ours)),
            "naive": (against, lambda: once("bench.naive_projector", against)),
        },
        plan.pairs,
    )
    if plan.profile:
        await once("projections", Side("profiled", FSYNC), "P6-ours")
    return [
        Figure(
            id="P6",
            title="live projector: rows written",
            unit="rows/s",
            ours=ours,
            against=against,
            bar=Bar(at_least=8.0),
            faults=_differences(results, plan.amount(JOBS_FULL)),
            notes=[
                f"{sum(map(len, load.measured.values())):,} events of 3 topics, {rows:,} rows",
                cpu_note(ours, against),
            ],
        )
    ]


def rows_of(tape: Tape) -> int:
    """Count the rows that events change: of jobs, of accounts, of movements."""
    count = 0
    for records in tape.values():
        for record in records:
            envelope = decode(record.key, record.value, record.headers)
            count += change_of(envelope.event) is not None
            if isinstance(envelope.event, LedgerEvent):
                count += 1 + (transaction_of(envelope) is not None)
    return count


async def _run(stage: Stage, module: str, load: Load, profile_as: str | None) -> Outcome:
    settings = await stage.with_tables(await stage.fresh())
    await _put(settings, load.warm)
    arguments = [str(load.events)] if module == "bench.naive_projector" else []
    worker = stage.start_worker(module, settings, *arguments, profile_as=profile_as)
    connection = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await _until_warm(connection, worker)
        worker.freeze()
        await _put(settings, load.measured)
        ends = await _ends(settings, load)
        cpu_before = worker.cpu_seconds()
        started = time.time()
        worker.thaw()
        if arguments:
            seconds = await _said_done(worker) - started
        else:
            await _until_applied(connection, worker, ends)
            seconds = time.time() - started
        cpu_seconds = worker.cpu_seconds() - cpu_before
        tables = {name: await connection.fetch(query) for name, query in TABLES.items()}
    finally:
        await connection.close()
        worker.stop()
    return Outcome(seconds, cpu_seconds, tables)


async def _put(settings: Settings, tape: Tape) -> None:
    for topic, records in tape.items():
        await put(settings, records, topic)


async def _ends(settings: Settings, load: Load) -> int:
    ends = 0
    for topic in load.measured:
        async with reader_of(settings, topic) as reader:
            ends += await reader.end()
    return ends


async def _until_warm(connection: asyncpg.Connection, worker: Worker) -> None:
    await _until(connection, worker, "SELECT count(*) FROM generations", WARM_JOBS)
    await _until(
        connection,
        worker,
        "SELECT count(*) FROM generations WHERE status = 'completed'",
        WARM_JOBS,
    )
    await _until(connection, worker, "SELECT sum(sequence) FROM accounts", _sequences(WARM_JOBS))


def _sequences(jobs: int) -> int:
    """Give the ledger events of so many jobs with their accounts' grants."""
    return sum(len(records) for topic, records in job_lives(jobs).items() if topic[0] == "l")


async def _until_applied(connection: asyncpg.Connection, worker: Worker, ends: int) -> None:
    await _until(connection, worker, "SELECT sum(next_offset) FROM projection_offsets", ends)


async def _until(connection: asyncpg.Connection, worker: Worker, query: str, wanted: int) -> None:
    """Wait until a query gives a number.

    Raises: TimeoutError with the number it gave last.
    """
    give_up_at = time.monotonic() + WITHIN_SECONDS
    while (found := await connection.fetchval(query) or 0) < wanted:
        worker.check_alive()
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{query}: {found}, wanted {wanted}")
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _said_done(worker: Worker) -> float:
    give_up_at = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < give_up_at:
        worker.check_alive()
        lines = worker.log.read_text().splitlines()
        done = [line for line in lines if line.startswith("done ")]
        if done:
            return float(done[0].split()[1])
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    raise TimeoutError("the plain projector did not come to the end")


def _differences(results: Sequence[Tables], jobs: int) -> list[str]:
    """Hold every run's tables against the first one's, and the first against the load."""
    first = results[0]
    faults = [
        f"run {number}: {name} differs from the first run's"
        for number, tables in enumerate(results[1:], start=2)
        for name in TABLES
        if tables[name] != first[name]
    ]
    completed = sum(row["status"] == "completed" for row in first["generations"])
    if completed != jobs + WARM_JOBS:
        faults.append(f"{completed} jobs completed of {jobs + WARM_JOBS}")
    faults += [
        f"{row['account_id']} does not add up"
        for row in first["accounts"]
        if row["granted_credits"] != row["settled_credits"] or row["available_credits"]
    ]
    return faults
