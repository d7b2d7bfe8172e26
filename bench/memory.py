"""P10: what it takes to carry a job that is polled, the job's own state included.

Each side runs in a process of its own (bench/polled_jobs.py) that first reads the same states.
"""

import asyncio
import sys

from bench.figures import Bar, Figure, Side
from bench.rounds import interleave
from bench.stage import Plan, Stage, environment_of

JOBS_FULL = 10_000
# Below this, what a process allocates anyway would be the figure.
JOBS_LEAST = 1_000
WITHIN_SECONDS = 120.0
NO_DURABILITY = "the job's state is on the state topic; what is measured is read from it"


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure P10."""
    count = plan.amount(JOBS_FULL, JOBS_LEAST)
    ours = Side("heap of the lane", NO_DURABILITY)
    against = Side("task per job", NO_DURABILITY)
    await interleave(
        {
            "heap": (ours, lambda: _carry(stage, "heap", count)),
            "tasks": (against, lambda: _carry(stage, "tasks", count)),
        },
        plan.pairs,
    )
    return [
        Figure(
            id="P10",
            title=f"memory of each of {count:,} polled jobs",
            unit="bytes/job",
            ours=ours,
            against=against,
            bar=Bar(at_most=0.3),
        )
    ]


async def _carry(stage: Stage, kind: str, count: int) -> float:
    """Have a process carry jobs until each was polled.

    Raises: RuntimeError with what the process said, if it could not.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.polled_jobs", kind, str(count)),
        # Fixed: by default glibc keeps what growing tables leave behind, more of it where there
        # are more tables, and a process that runs for long uses it again.
        env={**environment_of(stage.settings), "MALLOC_MMAP_THRESHOLD_": "131072"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_SECONDS):
        said, complaint = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"bench.polled_jobs {kind} failed:\n{complaint.decode()[-2000:]}")
    return float(said)
