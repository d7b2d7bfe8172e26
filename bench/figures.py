"""One figure: ours against something else, over several rounds, held against a bar."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """What the median of the ratios (ours / against) is held against."""

    at_least: float | None = None
    at_most: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (
            self.at_most is None or ratio <= self.at_most
        )

    def __str__(self) -> str:
        said = [f">= {self.at_least:g}"] if self.at_least is not None else []
        said += [f"<= {self.at_most:g}"] if self.at_most is not None else []
        return " and ".join(said) + " x"


@dataclass(slots=True)
class Side:
    """One of the two that are compared: what it is and what it came to, round by round.

    `durability` says what a result outlives; the two sides of a figure must outlive the same.
    """

    name: str
    durability: str
    values: list[float] = field(default_factory=list)
    # Processor time that the measured process took per unit, where it was taken; microseconds.
    cpu_us: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(slots=True)
class Figure:
    """The outcome of one benchmark.

    `faults`: results that were wrong (an invariant broken, a lag left); with one of them the
    figure is void however fast it was. `notes`: whatever else the reader should know.
    """

    id: str
    title: str
    unit: str
    ours: Side
    against: Side
    bar: Bar
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Ours over the other, pair by pair: both of a pair ran one after the other."""
        return [a / b for a, b in zip(self.ours.values, self.against.values, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        return not self.faults and self.bar.met(self.ratio)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "unit": self.unit,
            "bar": str(self.bar),
            "met": self.met,
            "ratio_median": round(self.ratio, 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "sides": [
                {
                    "name": side.name,
                    "durability": side.durability,
                    "median": side.median,
                    "values": side.values,
                    "cpu_us": side.cpu_us,
                }
                for side in (self.ours, self.against)
            ],
            "faults": self.faults,
            "notes": self.notes,
        }


def number(value: float) -> str:
    """Write a measured value with the digits that mean something."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"  # noqa: PLR2004  three digits


def cpu_note(*sides: Side) -> str:
    """Say what the sides took of the processor, which hardly depends on who else is at work."""
    said = (f"{side.name} {statistics.median(side.cpu_us):,.0f}" for side in sides if side.cpu_us)
    return f"processor time of the worker, microseconds for each: {', '.join(said)}"


def spread(values: Sequence[float]) -> str:
    """Write a median with its range."""
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


HEADINGS = ("", "what", "unit", "ours", "against", "ratio: median (range)", "bar", "")


def row(figure: Figure) -> tuple[str, ...]:
    """Give a figure's line of the summary."""
    verdict = "WRONG RESULTS" if figure.faults else "met" if figure.met else "MISSED"
    return (
        figure.id,
        figure.title,
        figure.unit,
        f"{figure.ours.name}: {spread(figure.ours.values)}",
        f"{figure.against.name}: {spread(figure.against.values)}",
        spread(figure.ratios),
        str(figure.bar),
        verdict,
    )
