"""The simulation by hand: `python -m tests.simulation {run,seed,planted}`.

`run` runs seeds of the code as it is, `seed` replays one, `planted` looks for every planted bug.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict

from tests.simulation.planted import SEEDS_MAX, Found, find, planted_bug, planted_bugs
from tests.simulation.run import Outcome, run_seed


def main() -> int:
    """Run one of the commands; 1 where something was found that should not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command in (("run", _run), ("find", _find), ("seed", _seed), ("planted", _planted)):
        added = commands.add_parser(name)
        added.set_defaults(command=command)
        added.add_argument("--first", type=int, default=0)
        added.add_argument("--seeds", type=int, default=SEEDS_MAX if name != "run" else 10_000)
        added.add_argument("names", nargs="*", help="of the seed, or of planted bugs")
    arguments = parser.parse_args()
    code: int = arguments.command(arguments)
    return code


def _run(arguments: argparse.Namespace) -> int:
    started, cpu = time.perf_counter(), time.process_time()
    failed = jobs = reserved = events = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        outcome = run_seed(seed)
        jobs += outcome.jobs
        reserved += outcome.reserved
        events += outcome.events
        if not outcome.ok:
            failed += 1
            _tell(outcome)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    print(
        f"{arguments.seeds} seeds: {failed} failed; {jobs} jobs asked for, {reserved} reserved, "
        f"{events} events; {seconds:.1f} s, {cpu_seconds:.1f} s of one core, "
        f"{cpu_seconds / max(arguments.seeds, 1) * 1000:.1f} ms a seed"
    )
    return 1 if failed else 0


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
    for bug in bugs:
        found = find(bug, first=arguments.first, seeds=arguments.seeds)
        if found is None:
            missed += 1
            print(f"{bug.name:34} {'-':>5}  not found in {arguments.seeds} seeds", flush=True)
            continue
        print(f"{bug.name:34} {found.seed:5}  {found.invariant:8} {found.text[:100]}", flush=True)
    print(f"{len(bugs) - missed} of {len(bugs)} found within {arguments.seeds} seeds")
    return 1 if missed else 0


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
