"""What a fault is to the harness. To add one, put it into a module and that module's tuple."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.arena import Arena

Strike = Callable[[Arena, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Size:
    """How large one run is; the load goes on until all strikes are over.

    Units: `pause_seconds_max` is the longest pause before a strike; `hold_seconds` is how long a
    fault lasts that has a length.
    """

    strikes: int
    jobs: int
    pause_seconds_max: float = 1.0
    hold_seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table.

    `strike` does it once and returns when the system has recovered, as the arena measured it. Each
    of `targets` is struck by a task of its own, beside the others. `row`: of torture.md.
    Units: `recovery_seconds_max` bounds the 99th percentile, where torture.md or an issue does;
    `seconds_max` bounds the whole run.
    """

    name: str
    row: str
    strike: Strike
    small: Size
    full: Size
    targets: tuple[str, ...] = ("",)
    recovery_seconds_max: float | None = None
    seconds_max: float = 7200.0
