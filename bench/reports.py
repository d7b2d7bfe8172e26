"""Writes what a run measured: a table on the screen, JSON and a plot in the results folder."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import HEADINGS, Figure, row

PACKAGES = ("aiokafka", "asyncpg", "faust-streaming", "fastapi", "msgspec", "pydantic", "uvloop")


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "load_average_at_end": [round(load, 2) for load in os.getloadavg()],
    }


def write_json(figures: Sequence[Figure], folder: Path, command: str) -> Path:
    """Keep everything that was measured."""
    path = folder / "figures.json"
    content = {
        "command": command,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [figure.as_json() for figure in figures],
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def write_markdown(figures: Sequence[Figure], folder: Path, command: str) -> Path:
    """Write the summary as docs/performance.md shows it, to be copied there."""
    about = machine()
    lines = [
        (
            f"`{command}`, {datetime.now(UTC).date()}: {about['cores']} cores, "
            f"{about['memory_gib']} GiB, {about['system']}, Python {about['python']}; load average "
            f"at the end {about['load_average_at_end'][0]} (broker and database on the same cores)."
        ),
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|" + " --- |" * len(HEADINGS),
        *("| " + " | ".join(row(figure)) + " |" for figure in figures),
        "",
        *(f"- {figure.id}: {note}." for figure in figures for note in figure.notes),
    ]
    path = folder / "figures.md"
    path.write_text("\n".join(lines) + "\n")
    return path


def plot(figures: Sequence[Figure], folder: Path) -> Path:
    """Draw each round's ratio beside its bar, one row per figure."""
    import matplotlib as mpl  # noqa: PLC0415  slow to load, and only here

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  after the backend was chosen

    drawing, axes = plt.subplots(figsize=(9, 0.9 + 0.8 * len(figures)))
    for place, figure in enumerate(reversed(figures)):
        colour = "tab:green" if figure.met else "tab:red"
        axes.plot(figure.ratios, [place] * len(figure.ratios), "o", color=colour, alpha=0.5)
        axes.plot([figure.ratio], [place], "D", color=colour, markersize=9)
        for limit, sign in ((figure.bar.at_least, ">"), (figure.bar.at_most, "<")):
            if limit is not None:
                axes.plot([limit], [place], marker=f"${sign}$", color="black", markersize=12)
    axes.set_yticks(range(len(figures)), [f"{f.id} {f.title}" for f in reversed(figures)])
    axes.set_xscale("log")
    axes.set_xlabel("ours / against; diamond: median, sign: the bar to be passed")
    axes.margins(y=0.2)
    axes.grid(visible=True, axis="x", which="both", alpha=0.3)
    drawing.tight_layout()
    path = folder / "ratios.svg"
    drawing.savefig(path)
    plt.close(drawing)
    return path


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print the summary, and loudly whatever was missed or wrong."""
    table = Table(title="Benchmarks: ours against the other, both sides in one run")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for figure in figures:
        table.add_row(*row(figure), style="" if figure.met else "bold red")
    console.print(table)
    for figure in figures:
        for side in (figure.ours, figure.against):
            console.print(
                f"{figure.id} {side.name}: durability: {side.durability}", highlight=False
            )
        for note in figure.notes:
            console.print(f"{figure.id} {note}", highlight=False)
        for fault in figure.faults:
            console.print(f"{figure.id} WRONG: {fault}", style="bold red", highlight=False)
        if not figure.faults and not figure.met:
            console.print(
                f"{figure.id} MISSED ITS BAR: {figure.ratio:.2f}, wanted {figure.bar}",
                style="bold red",
                highlight=False,
            )
