"""Runs benchmarks: `python -m bench [P1 ...]`; without names, all of them (`make bench`).

Exit code 0 also where a bar is missed, which is printed; 1 where a result was wrong.
"""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.catalogue import BENCHMARKS
from bench.figures import Figure
from bench.reports import plot, show, write_json, write_markdown
from bench.stage import Plan, open_stage

RESULTS = Path("bench/results")


def main() -> None:
    """Run what the command line names."""
    # Each line of theirs would be of a topic made a moment ago.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options = _options()
    plan = Plan(options.pairs, options.scale, options.profile)
    folder = RESULTS / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    folder.mkdir(parents=True)
    figures = asyncio.run(run(options.names, plan, folder))
    command = " ".join(["python -m bench", *sys.argv[1:]])
    written = [
        write_json(figures, folder, command),
        write_markdown(figures, folder, command),
        plot(figures, folder),
    ]
    show(figures, Console(width=180))
    print("written:", *written)
    sys.exit(1 if any(figure.faults for figure in figures) else 0)


def _options() -> argparse.Namespace:
    known = ", ".join(" and ".join(ids) for ids in BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which to run: {known}; default: all")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of each comparison (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full load (1)")
    parser.add_argument("--profile", action="store_true", help="have py-spy record ours as well")
    options = parser.parse_args()
    unknown = set(options.names) - {name for ids in BENCHMARKS for name in ids}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {known}")
    return options


async def run(names: Sequence[str], plan: Plan, folder: Path) -> list[Figure]:
    """Run the named benchmarks on one broker and database; no name means all."""
    figures: list[Figure] = []
    # As Ctrl-C: broker, database and workers are stopped, whoever asked for the end.
    task = asyncio.current_task()
    assert task is not None, "runs in a task"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_stage(folder) as stage:
        for ids, measure in BENCHMARKS.items():
            if names and not set(ids) & set(names):
                continue
            started = time.monotonic()
            print(f"{' and '.join(ids)}:", flush=True)
            figures += await measure(stage, plan)
            print(f"  took {time.monotonic() - started:.0f} s", flush=True)
    return figures


if __name__ == "__main__":
    main()
