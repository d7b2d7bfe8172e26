"""Runs a promise's test on a copy of the tree in which the line that it protects is broken."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree as ET

from tests.guarantees.promises import Promise
from tests.planting import ROOT, Patch, apply
from tests.running import FOREIGN_PREFIXES

NOT_COPIED = (".*", "__pycache__", "secrets")
# 900 s: the longest take two to four minutes on two cores.
DEADLINE_SECONDS = 900.0
# 120 s: what a test has started is stopped, the broker in order.
STOP_SECONDS_MAX = 120.0
# All faults and all links take minutes; these are those whose line is broken.
VARIABLES = {
    "test_nothing_is_lost_doubled_or_stuck_under": {"TAPE_TORTURE_FAULTS": "worker_killed"},
    "test_every_link_spoiled_in_every_way_has_its_named_outcome": {
        "TAPE_TORTURE_NETWORK_LINKS": "clients"
    },
}
# A test's own statement; anything else is a crash, which proves nothing.
_ASSERTED = re.compile(r"AssertionError|assert |Failed: DID NOT RAISE")
Verdict = Literal["red", "GREEN", "error"]


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of one test: it must be red; `seen` is the first line of why."""

    verdict: Verdict
    seen: str
    seconds: float


@contextmanager
def broken_tree(patch: Patch) -> Iterator[Path]:
    """Give a copy of the tree with the patch in it."""
    with TemporaryDirectory(prefix="tapeworks-broken-") as folder:
        root = Path(folder) / "tree"
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*NOT_COPIED))
        apply(patch, root)
        yield root


def proof(promise: Promise, patch: Patch) -> Proof:
    """Run the test of a promise where it does not hold.

    Raises: PatchError where the patch does not fit.
    """
    with broken_tree(patch) as root:
        report = root.parent / "report.xml"
        began_at = time.monotonic()
        code, printed = _run(promise, root, report)
        seconds = time.monotonic() - began_at
        failure = _first_failure(report) if report.exists() else None
    verdict, seen = judged(code, failure)
    if verdict == "error":
        seen += f"; its last lines: {printed[-1000:]}"
    return Proof(verdict, seen, seconds)


def judged(code: int | None, failure: str | None) -> tuple[Verdict, str]:
    """Tell a test that noticed from one that did not, and from one that could not even run.

    Shape: pytest's exit code, None after the deadline; the message of the first failed test.
    """
    if code == 0:
        return "GREEN", "nothing was noticed"
    line = (failure or "no test failed").partition("\n")[0]
    if code == 1 and failure is not None and _ASSERTED.match(failure):
        return "red", line
    if code is None:
        return "error", f"not over within {DEADLINE_SECONDS:.0f} s"
    return "error", f"pytest ended with {code}: {line}"


def _run(promise: Promise, root: Path, report: Path) -> tuple[int | None, str]:
    """Run pytest; give its exit code, None after the deadline, and what it printed."""
    # Nor options meant for another run of pytest: its folder for temporary files, above all.
    foreign = (*FOREIGN_PREFIXES, "PYTEST_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    test = f"{promise.path}::{promise.test}"
    options = ["-p", "no:cacheprovider", "-x", "-q", f"--junitxml={report}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, test],
        cwd=root,
        env={**kept, "PYTHONPATH": str(root), **VARIABLES.get(promise.test, {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        printed, _ = process.communicate(timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        # As Ctrl-C does: what the test has started is stopped by its fixtures.
        process.send_signal(signal.SIGINT)
        try:
            printed, _ = process.communicate(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            printed, _ = process.communicate()
        return None, printed
    return process.returncode, printed


def _first_failure(report: Path) -> str | None:
    """Give the message of the first test that failed; one that broke before it ran is none."""
    failure = ET.parse(report).find(".//failure")  # noqa: S314  pytest's own report
    if failure is None:
        return None
    message = failure.get("message", "")
    if message == "AssertionError":
        # Of an assertion in a helper, whose values pytest does not tell: the line itself.
        lines = [line for line in (failure.text or "").splitlines() if line.startswith(">")]
        message += f": {lines[-1][1:].strip()}"
    return message
