"""The one table that a torture run is for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

COLUMNS = (
    *("fault", "row", "runs", "jobs", "lost", "double", "stuck"),
    *("recovery s p50/p99/max", "ended", "calls ok/failed/unknown", "seconds", "seen", "verify"),
)


@dataclass(slots=True)
class Row:
    """What one run came to; `runs` counts its strikes."""

    fault: str
    row: str
    runs: int = 0
    jobs: int = 0
    lost: int = 0
    double: int = 0
    stuck: int = 0
    recoveries: list[float] = field(default_factory=list)
    ended: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)
    verify: str = "not run"
    wrong: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        counts = (self.runs, self.jobs, self.lost, self.double, self.stuck)
        return (
            *(self.fault, self.row, *map(str, counts)),
            *(spread(self.recoveries), counted(self.ended)),
            "/".join(str(self.calls.get(name, 0)) for name in ("ok", "failed", "unknown")),
            *(f"{self.seconds:.0f}", counted(self.notes), self.verify),
        )


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "-"


def spread(seconds: Sequence[float]) -> str:
    """Give median, 99th percentile and maximum; a percentile is one of the values seen."""
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    p50, p99 = (percentile(ordered, share) for share in (0.50, 0.99))
    return f"{p50:.1f}/{p99:.1f}/{ordered[-1]:.1f}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the least value that at least this share of all does not exceed."""
    position = -int(-share * len(ordered) // 1)
    return ordered[max(position - 1, 0)]


def table(rows: Sequence[Row]) -> str:
    cells = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )
