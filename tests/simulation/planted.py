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

from tests.planting import ROOT, Patch, PatchError, apply, read_patch

FOLDER = Path(__file__).parent / "planted"
# What a simulated run imports; nothing else is copied.
COPIED = ("schemas", "domain", "providers", "runtime", "processors", "replay", "tests/simulation")
SEEDS_MAX = 2000
SEARCH_SECONDS_MAX = 1800


@dataclass(frozen=True, slots=True)
class Found:
    """The first seed that a bug does not pass, and what it breaks there."""

    seed: int
    invariant: str
    text: str
    trace: str


def planted_bugs() -> list[Patch]:
    """Read every patch, in order of their names."""
    return [read_patch(path) for path in sorted(FOLDER.glob("*.patch"))]


def planted_bug(name: str) -> Patch:
    """Read one patch."""
    return read_patch(FOLDER / f"{name}.patch")


@contextmanager
def planted_tree(bug: Patch) -> Iterator[Path]:
    """Give a copy of the tree with the bug in it."""
    with TemporaryDirectory(prefix="tapeworks-planted-") as folder:
        root = Path(folder)
        for name in COPIED:
            shutil.copytree(
                ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.json")
            )
        for name in ("tests/__init__.py", "tests/planting.py"):
            shutil.copy(ROOT / name, root / name)
        apply(bug, root)
        yield root


def find(bug: Patch, *, first: int = 0, seeds: int = SEEDS_MAX) -> Found | None:
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
