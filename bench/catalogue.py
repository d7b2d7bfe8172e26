"""Every benchmark of the project, by the ids of its figures; one row to add one."""

from collections.abc import Awaitable, Callable, Mapping

from bench import accept, ledger, memory, overload, poison, polls, projector, restart, stress
from bench.figures import Figure
from bench.stage import Plan, Stage

Measure = Callable[[Stage, Plan], Awaitable[list[Figure]]]

BENCHMARKS: Mapping[tuple[str, ...], Measure] = {
    ("P1", "P2"): ledger.measure,
    ("P3", "P3-p99"): accept.measure,
    ("P6",): projector.measure,
    ("P9", "P9-ready"): restart.measure,
    ("P10",): memory.measure,
    ("P11",): polls.measure,
    ("P12",): poison.measure,
    ("P13", "P14"): overload.measure,
    ("S0-149", "S0-149-status"): stress.measure,
}
