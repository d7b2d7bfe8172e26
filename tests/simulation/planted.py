"""Plants a known bug into a copy of the tree and looks for the first seed that finds it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "planted"
# What a simulated run imports; nothing else is copied.
COPIED = ("schemas", "domain", "providers", "runtime", "processors", "replay", "tests/simulation")
SEEDS_MAX = 2000
SEARCH_SECONDS_MAX = 1800


class PatchError(Exception):
    """A patch does not fit the tree any more; the text says where."""


@dataclass(frozen=True, slots=True)
class Change:
    """One hunk: lines that stand in a file, and what stands there with the bug."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PlantedBug:
    """One patch, its sentence, and the first seed that is known to find it."""

    name: str
    sentence: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """The first seed that a bug does not pass, and what it breaks there."""

    seed: int
    invariant: str
    text: str
    trace: str


def planted_bugs() -> list[PlantedBug]:
    """Read every patch, in order of their names."""
    return [_parsed(path) for path in sorted(FOLDER.glob("*.patch"))]


def planted_bug(name: str) -> PlantedBug:
    """Read one patch."""
    return _parsed(FOLDER / f"{name}.patch")


def _parsed(path: Path) -> PlantedBug:
    sentence, *lines = path.read_text().splitlines()
    changes: list[Change] = []
    target = ""
    before: list[str] = []
    after: list[str] = []

    def finish() -> None:
        if before or after:
            changes.append(Change(target, "\n".join(before) + "\n", "\n".join(after) + "\n"))
            before.clear()
            after.clear()

    for line in lines:
        if line.startswith("--- "):
            finish()
        elif line.startswith("+++ b/"):
            target = line.removeprefix("+++ b/")
        elif line.startswith("@@"):
            finish()
        elif line.startswith("-"):
            before.append(line[1:])
        elif line.startswith("+"):
            after.append(line[1:])
        else:
            before.append(line[1:])
            after.append(line[1:])
    finish()
    return PlantedBug(path.stem, sentence, tuple(changes))


def apply(bug: PlantedBug, root: Path) -> None:
    """Change a tree; lines are found by their text, so that they may move.

    Raises: PatchError where the lines of a hunk stand nowhere, or in several places.
    """
    for change in bug.changes:
        path = root / change.path
        text = path.read_text() if path.exists() else ""
        count = text.count(change.before)
        if count != 1:
            raise PatchError(
                f"{bug.name}.patch: its lines for {change.path} stand there {count} times, not "
                f"once; write it anew for the code of today:\n{change.before}"
            )
        path.write_text(text.replace(change.before, change.after))


@contextmanager
def planted_tree(bug: PlantedBug) -> Iterator[Path]:
    """Give a copy of the tree with the bug in it."""
    with TemporaryDirectory(prefix="tapeworks-planted-") as folder:
        root = Path(folder)
        for name in COPIED:
            shutil.copytree(
                ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.json")
            )
        (root / "tests" / "__init__.py").touch()
        apply(bug, root)
        yield root


def find(bug: PlantedBug, *, first: int = 0, seeds: int = SEEDS_MAX) -> Found | None:
    """Run seeds against a bug until one finds it; None if none does."""
    with planted_tree(bug) as root:
        command = [sys.executable, "-m", "tests.simulation", "find"]
        done = subprocess.run(
            [*command, "--first", str(first), "--seeds", str(seeds)],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=SEARCH_SECONDS_MAX,
            check=False,
        )
    answer = re.search(r"^found (.*)$", done.stdout, re.MULTILINE)
    if answer is not None:
        return Found(**json.loads(answer.group(1)))
    if done.returncode != 0:
        raise PatchError(f"{bug.name}: the planted tree does not run:\n{done.stderr[-2000:]}")
    return None
