"""The README's guarantees: what is promised, the test that proves it, and the line it protects."""

import re
from dataclasses import dataclass

from tests.planting import ROOT, Patch, read_patch

FOLDER = ROOT / "tests" / "guarantees" / "broken"
_ROW = re.compile(r"\| (.+) \| `(tests/[\w/]+\.py)::(test_\w+)` \|")


@dataclass(frozen=True, slots=True)
class Promise:
    """One row of the README's table."""

    text: str
    path: str
    test: str

    def broken(self) -> Patch:
        """Read the patch that the test must notice; a file may name another one that serves."""
        path = FOLDER / f"{self.test}.patch"
        first, *more = path.read_text().splitlines()
        return read_patch(path if more else ROOT / first)


def promises() -> list[Promise]:
    """Read the table.

    Raises: ValueError for a row that names no test.
    """
    readme = (ROOT / "README.md").read_text()
    table = readme.partition("## Guarantees")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [_promise(row) for row in rows]


def _promise(row: str) -> Promise:
    found = _ROW.fullmatch(row)
    if found is None:
        raise ValueError(f"README.md: a guarantee names no test: {row}")
    return Promise(*found.groups())
