"""The simulation by hand: `python -m tests.simulation {run,seed,planted}`.

`run` runs seeds of the code as it is, `seed` replays one, `planted` looks for every planted bug.
Seeds and bugs are shared out among the machine's cores; no seed knows of another.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial

from tests.planting import Patch
from tests.simulation.planted import SEEDS_MAX, Found, find, planted_bug, planted_bugs
from tests.simulation.run import Outcome, run_seed

# So many seeds are given to a core at a time.
SEEDS_AT_A_TIME = 25


def main() -> int:
    """Run one of the commands; 1 where something was found that should not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command in (("run", _run), ("find", _find), ("seed", _seed), ("planted", _planted)):
        added = commands.add_parser(name)
        added.set_defaults(command=command)
        added.add_argument("--first", type=int, default=0)
        added.add_argument("--seeds", type=int, default=SEEDS_MAX if name != "run" else 10_000)
        added.add_argument("--processes", type=int, default=os.cpu_count())
        added.add_argument("names", nargs="*", help="of the seed, or of planted bugs")
    arguments = parser.parse_args()
    code: int = arguments.command(arguments)
    return code


@dataclass(slots=True)
class _Sum:
    """What some seeds came to."""

    jobs: int = 0
    reserved: int = 0
    events: int = 0
    processor_seconds: float = 0.0
    failed: list[Outcome] = field(default_factory=list)


def _run(arguments: argparse.Namespace) -> int:
    started = time.perf_counter()
    whole = _Sum()
    after = arguments.first + arguments.seeds
    firsts = range(arguments.first, after, SEEDS_AT_A_TIME)
    with ProcessPoolExecutor(arguments.processes) as processes:
        for some in processes.map(partial(_run_some, after=after), firsts):
            whole.jobs += some.jobs
            whole.reserved += some.reserved
            whole.events += some.events
            whole.processor_seconds += some.processor_seconds
            whole.failed += some.failed
            for outcome in some.failed:
                _tell(outcome)
    print(
        f"{arguments.seeds} seeds: {len(whole.failed)} failed; {whole.jobs} jobs asked for, "
        f"{whole.reserved} reserved, {whole.events} events; "
        f"{time.perf_counter() - started:.1f} s, {whole.processor_seconds:.1f} s of one core, "
        f"{whole.processor_seconds / max(arguments.seeds, 1) * 1000:.1f} ms a seed"
    )
    return 1 if whole.failed else 0


def _run_some(first: int, *, after: int) -> _Sum:
    began_at = time.process_time()
    some = _Sum()
    for seed in range(first, min(first + SEEDS_AT_A_TIME, after)):
        outcome = run_seed(seed)
        some.jobs += outcome.jobs
        some.reserved += outcome.reserved
        some.events += outcome.events
        if not outcome.ok:
            some.failed.append(outcome)
    some.processor_seconds = time.process_time() - began_at
    return some


def _seed(arguments: argparse.Namespace) -> int:
    for name in arguments.names:
        outcome = run_seed(int(name))
        _tell(outcome)
    return 0


def _find(arguments: argparse.Namespace) -> int:
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        outcome = run_seed(seed)
        if not outcome.ok:
            invariant, text = outcome.violations[0]
            print("found", json.dumps(asdict(Found(seed, invariant, text, outcome.trace))))
            return 0
    return 0


def _planted(arguments: argparse.Namespace) -> int:
    bugs = [planted_bug(n) for n in arguments.names] if arguments.names else planted_bugs()
    missed = 0
    print(f"{'planted bug':34} {'seed':>5}  {'names':8} what is seen")
    for bug, found in _searched(bugs, arguments):
        if found is None:
            missed += 1
            print(f"{bug.name:34} {'-':>5}  not found in {arguments.seeds} seeds", flush=True)
            continue
        print(f"{bug.name:34} {found.seed:5}  {found.invariant:8} {found.text[:100]}", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} found within {arguments.seeds} seeds")
    return 1 if missed else 0


def _searched(
    bugs: list[Patch], arguments: argparse.Namespace
) -> Iterator[tuple[Patch, Found | None]]:
    search = partial(find, first=arguments.first, seeds=arguments.seeds)
    with ProcessPoolExecutor(arguments.processes) as processes:
        yield from zip(bugs, processes.map(search, bugs), strict=True)


def _tell(outcome: Outcome) -> None:
    what = "keeps every invariant"
    if outcome.violations:
        what = "; ".join(f"{invariant}: {text}" for invariant, text in outcome.violations[:3])
    print(
        f"seed {outcome.seed} {what} (trace {outcome.trace}, {outcome.steps} steps, "
        f"{outcome.seconds:.0f} s of virtual time); "
        f"replay: python -m tests.simulation seed {outcome.seed}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
