"""Patches that break the product on purpose; their lines are found by text, so that they may move.

The first line of a patch is a sentence: what the product does with it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


class PatchError(Exception):
    """A patch does not fit the tree any more; the text says where."""


@dataclass(frozen=True, slots=True)
class Change:
    """One hunk: lines that stand in a file, and what stands there with the patch."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Patch:
    """One way to break the product."""

    name: str
    sentence: str
    changes: tuple[Change, ...]


def read_patch(path: Path) -> Patch:
    """Read one patch."""
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
    return Patch(path.stem, sentence, tuple(changes))


def apply(patch: Patch, root: Path) -> None:
    """Change a tree.

    Raises: PatchError where the lines of a hunk stand nowhere, or in several places.
    """
    for change in patch.changes:
        path = root / change.path
        text = path.read_text() if path.exists() else ""
        count = text.count(change.before)
        if count != 1:
            raise PatchError(
                f"{patch.name}.patch: its lines for {change.path} stand there {count} times, not "
                f"once; write it anew for the code of today:\n{change.before}"
            )
        path.write_text(text.replace(change.before, change.after))


def check_fit(patch: Patch, folder: Path) -> None:
    """Apply a patch to copies, in an empty folder, of the files that it changes.

    Raises: PatchError as `apply`; SyntaxError where what is left is no Python.
    """
    paths = {change.path for change in patch.changes}
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    apply(patch, folder)
    for path in paths:
        if path.endswith(".py"):
            compile((folder / path).read_text(), path, "exec")
