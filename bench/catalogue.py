"""Every benchmark of the project, by the ids of its figures; one row to add one."""

from collections.abc import Awaitable, Callable, Mapping

from bench import ledger, memory, projector
from bench.figures import Figure
from bench.stage import Plan, Stage

Measure = Callable[[Stage, Plan], Awaitable[list[Figure]]]

BENCHMARKS: Mapping[tuple[str, ...], Measure] = {
    ("P1", "P2"): ledger.measure,
    ("P6",): projector.measure,
    ("P10",): memory.measure,
}
