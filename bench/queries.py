"""Times every read of the HTTP API on a large table: `python -m bench.queries`.

The statements are the product's own, taken from its code. The database is one of this run alone.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.query_cases import Case, Size, cases, plan_of, seed
from devstack.account import remove_state
from devstack.ports import free_port
from devstack.postgres import PostgresServer
from devstack.state import StateFolder
from projections.migrate import migrate
from runtime.database import Connection, open_pool
from runtime.settings import Settings

WARM_RUNS = 10  # fill the caches and settle each prepared statement's plan
POLL_SELECTION = (
    "S0-95 has no query: each worker keeps its own jobs' next polls in memory, by time."
)


async def measure(connection: Connection, found: list[Case], runs: int) -> None:
    """Run all in turn, so that none has the machine's good minute for itself."""
    for number in range(runs + WARM_RUNS):
        for case in found:
            began = time.perf_counter()
            await connection.fetch(case.sql, *case.arguments)
            if number >= WARM_RUNS:
                case.times_ms.append((time.perf_counter() - began) * 1000)
    for case in found:
        case.plan = await plan_of(connection, case, "(ANALYZE, BUFFERS)")


async def run(size: Size, runs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="queries-") as folder:
        state = StateFolder(Path(folder))
        server = PostgresServer(state, free_port())
        await server.start()
        try:
            settings = Settings.model_validate({"database_url": server.url})
            pool = await open_pool(settings, plans_by_arguments=True)
            await migrate(pool)
            async with pool.acquire() as connection:
                began = time.perf_counter()
                await seed(connection, size)
                print(f"{size.jobs:,} jobs seeded in {time.perf_counter() - began:.0f} s")
                found = await cases(connection)
                await measure(connection, found, runs)
            await pool.close()
        finally:
            await server.stop()
            remove_state(state)
    results = [case.result() for case in found]
    for r in results:
        met = "met" if float(str(r["p99_ms"])) < float(str(r["bar_ms"])) else "MISSED"
        print(
            f"{r['name']:34} p50 {r['p50_ms']:7.2f}  p99 {r['p99_ms']:7.2f} ms  "
            f"{r['requirement']} under {r['bar_ms']} ms: {met}"
        )
    print(POLL_SELECTION)
    return {"size": asdict(size), "runs": runs, "queries": results, "S0-95": POLL_SELECTION}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=Size.jobs)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", type=Path, default=Path("bench/results/queries.json"))
    asked = parser.parse_args()
    size = Size(asked.jobs, asked.jobs // 20, max(asked.jobs // 50, 1))
    measured = asyncio.run(run(size, asked.runs))
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
