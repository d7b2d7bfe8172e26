"""A large table of jobs, and the product's own reads of it with the arguments that cost most."""

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from ingress import queries
from ingress.history import OFFSET_MAX, HistoryAsked, HistoryFilters
from runtime.database import Connection

HEAVY = "heavy"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 21  # 20, and the one that tells of a next page
# Most jobs have ended; the rare statuses are what a filter has to find among the others.
STATUSES = ("completed", "failed", "rejected", "cancelled", "processing", "downloading", "pending")
WEIGHTS = (850, 100, 30, 17, 1, 1, 1)
MODELS = ("veo-3.1", "fal-veo-3.1", "sora-2-image")
MODEL_WEIGHTS = (989, 10, 1)
JOB_COLUMNS = (
    *("job_id", "account_id", "status", "model", "duration_seconds", "resolution", "aspect_ratio"),
    *("prompt", "price_credits", "operation_id", "object_key", "refunded_credits", "replay_of"),
    *("created_at", "updated_at"),
)
REPEATED = 0.01  # of all requests are repeats of another


@dataclass(frozen=True)
class Size:
    jobs: int = 1_000_000
    heavy_jobs: int = 50_000
    accounts: int = 20_000


@dataclass
class Case:
    """One statement with its arguments; `bar_ms` is the requirement's, for one account."""

    name: str
    requirement: str
    bar_ms: float
    sql: str
    arguments: tuple[object, ...]
    plan: str = ""
    times_ms: list[float] = field(default_factory=list)

    def result(self) -> dict[str, object]:
        p50, p99 = statistics.median(self.times_ms), percentile(self.times_ms, 0.99)
        kept = {key: asdict(self)[key] for key in ("name", "requirement", "bar_ms", "plan")}
        return {**kept, "p50_ms": p50, "p99_ms": p99, "max_ms": max(self.times_ms)}


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def job_rows(size: Size, chance: random.Random) -> Iterator[tuple[object, ...]]:
    """Give jobs in the order of their creation, those of the heavy account among the others."""
    for number in range(size.jobs):
        heavy = chance.random() < size.heavy_jobs / size.jobs
        status = chance.choices(STATUSES, WEIGHTS)[0]
        replay = UUID(int=chance.getrandbits(128)) if chance.random() < REPEATED else None
        at = BEGIN + timedelta(seconds=10 * number)
        yield (
            UUID(int=chance.getrandbits(128)),
            HEAVY if heavy else f"account-{chance.randrange(size.accounts)}",
            status if replay is None else "rejected",
            chance.choices(MODELS, MODEL_WEIGHTS)[0],
            8,
            "720p",
            "16:9",
            f"a paper boat in the rain, number {number}, seen from above",
            80,
            f"models/veo/operations/{number}",
            f"videos/{number}.mp4" if status == "completed" else None,
            80 if status == "failed" else None,
            replay,
            at,
            at + timedelta(minutes=2),
        )


async def seed(connection: Connection, size: Size) -> None:
    """Fill the tables, the jobs by COPY and a charge for each. Draws the same jobs every time."""
    jobs = job_rows(size, random.Random(1))
    # Made anew once the rows are there, which takes a fraction of the time.
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef NOT LIKE 'CREATE UNIQUE%' "
        "AND tablename IN ('generations', 'credit_transactions')"
    )
    await connection.execute(f"DROP INDEX {', '.join(row['indexname'] for row in indexes)}")
    await connection.copy_records_to_table(
        "generations", records=jobs, columns=JOB_COLUMNS, timeout=600
    )
    await connection.execute(
        "INSERT INTO credit_transactions (account_id, sequence, event_id, job_id, "
        "transaction_type, amount_credits, balance_after, description, created_at) "
        "SELECT account_id, row_number() OVER (PARTITION BY account_id ORDER BY created_at), "
        "gen_random_uuid(), job_id, 'video_8s_generation', -80, 0, 'a charge', created_at "
        "FROM generations",
        timeout=600,
    )
    await connection.execute(
        "INSERT INTO api_keys (key_id, key_sha256, account_id, role, created_at) "
        "SELECT gen_random_uuid(), sha256(account_id::bytea), account_id, 'client', "
        "min(created_at) FROM generations GROUP BY account_id"
    )
    await connection.execute(
        "INSERT INTO accounts SELECT account_id, 0, 0, 0, 0, 1, now() FROM api_keys", timeout=600
    )
    for row in indexes:
        await connection.execute(row["indexdef"], timeout=600)
    await connection.execute("VACUUM ANALYZE", timeout=600)


async def cases(connection: Connection) -> list[Case]:
    """List the product's reads with the arguments that cost most, and one light account's."""
    light = await connection.fetchval("SELECT min(account_id) FROM generations")
    job_ids = [
        row["job_id"]
        for row in await connection.fetch(
            "SELECT job_id FROM generations WHERE account_id = $1 LIMIT 3", HEAVY
        )
    ]
    middle = await connection.fetchrow(
        "SELECT created_at, job_id FROM generations WHERE account_id = $1 "
        "ORDER BY created_at OFFSET (SELECT count(*) / 100 FROM generations WHERE account_id = $1) "
        "LIMIT 1",
        HEAVY,
    )
    assert middle is not None, "the heavy account has jobs"
    deep = (middle["created_at"], middle["job_id"])
    later = BEGIN + timedelta(days=3)
    pages = {
        "history, first page": HistoryAsked(limit=PAGE),
        "history, one of the last pages": HistoryAsked(limit=PAGE, before=deep),
        "history, the largest offset": HistoryAsked(limit=PAGE, offset=OFFSET_MAX),
        "history, common status": _filtered(statuses=("completed",)),
        "history, rare status": _filtered(statuses=("cancelled",)),
        "history, four statuses": _filtered(statuses=STATUSES[:4]),
        "history, status of no job": _filtered(statuses=("requested",)),
        "history, common model": _filtered(model=MODELS[0]),
        "history, rare model": _filtered(model=MODELS[-1]),
        "history, model and status": _filtered(model=MODELS[0], statuses=("failed",)),
        "history, three days": _filtered(created_from=BEGIN, created_to=later),
        "history, status in three days": _filtered(
            statuses=("failed",), created_from=BEGIN, created_to=later
        ),
    }
    found = [
        Case(
            "a light account's history",
            "S0-96",
            20,
            *queries.history_query(light, HistoryAsked(limit=PAGE)),
        ),
        *(
            Case(name, "S0-96", 20, *queries.history_query(HEAVY, asked))
            for name, asked in pages.items()
        ),
        Case(
            "history, 100 rows",
            "S0-97",
            50,
            *queries.history_query(HEAVY, HistoryAsked(limit=101)),
        ),
        Case("status of a job", "S0-97", 50, queries.GENERATION, (job_ids[0], HEAVY)),
        Case("active jobs of a 429", "S0-94", 10, queries.ACTIVE, (HEAVY, job_ids)),
        Case("credits", "S0-97", 50, queries.ACCOUNT, (HEAVY,)),
        Case("key of a call", "S0-97", 50, queries.KEY, (b"x" * 32,)),
        Case("keys, first page", "S0-97", 50, queries.KEYS, (*queries.END, PAGE)),
        Case("nothing, the yardstick", "S0-97", 50, "SELECT 1", ()),
        Case("offsets of a partition", "S0-97", 50, queries.OFFSETS, (0,)),
    ]
    for name, before in (("first", queries.SEQUENCE_END), ("last", PAGE)):
        movements = (HEAVY, before, PAGE)
        found.append(Case(f"movements, {name} page", "S0-97", 50, queries.TRANSACTIONS, movements))
    return found


def _filtered(**filters: object) -> HistoryAsked:
    return HistoryAsked(HistoryFilters(**filters), PAGE)  # type: ignore[arg-type]  # a case's own names


async def plan_of(connection: Connection, case: Case, options: str = "") -> str:
    lines = await connection.fetch(f"EXPLAIN {options} {case.sql}", *case.arguments)
    return "\n".join(line[0] for line in lines)
