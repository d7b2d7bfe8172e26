"""One cell of the network table: a link is spoiled in one way while a client orders and reads."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import httpx

from tests.chaos.links import Link, LinkedSystem
from tests.chaos.proxy import Toxic
from tests.running import Customer
from tests.system.jobs import ENDED, post

# 3 s: what this client waits for an answer before it repeats.
PATIENCE_SECONDS = 3.0
REFUSAL_SECONDS_MAX = 2.0
# 30 s: within which a link that is whole again must be noticed (torture.md row 14).
RECOVERY_SECONDS_MAX = 30.0
PRICE_CREDITS = 40
CUT = "cut"


@dataclass(frozen=True)
class Cell:
    """One link, one toxic, and what has to come of it.

    `calls` are the answers that may be seen while it lasts, `seen` those of which one must be, so
    that a toxic that does nothing is noticed. Units: `slow_seconds` is what the longest call takes
    at least.
    """

    link: Link
    toxic: Toxic
    outcome: str
    calls: frozenset[str]
    seen: frozenset[str] = frozenset()
    slow_seconds: float = 0.0
    failures: frozenset[str] = frozenset()


@dataclass
class Result:
    cell: Cell
    answers: list[str] = field(default_factory=list)
    longest_call_seconds: float = 0.0
    recovery_seconds: float = 0.0
    unready: set[str] = field(default_factory=set)
    ends: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        return (
            *(self.cell.link, type(self.cell.toxic).__name__, self.cell.outcome),
            *(counted(self.answers), counted(self.ends), ", ".join(sorted(self.unready)) or "-"),
            *(f"{self.longest_call_seconds:.2f}", f"{self.recovery_seconds:.1f}"),
        )


COLUMNS = (
    *("link", "toxic", "outcome", "answers", "jobs ended", "not ready"),
    *("longest call s", "recovery s"),
)


def counted(words: Sequence[str]) -> str:
    return ", ".join(f"{word} {words.count(word)}" for word in sorted(set(words)))


def table(results: Sequence[Result]) -> str:
    rows = [COLUMNS, *(result.cells() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )


class CellRun:
    """Plays one cell: orders before, during and after it, and follows each to its end."""

    def __init__(self, linked: LinkedSystem, cell: Cell, hold_seconds: float, jobs: int) -> None:
        self._linked = linked
        self._hold_seconds = hold_seconds
        self._jobs = jobs
        self._result = Result(cell)
        self._keys: list[str] = []
        self._customer: Customer = linked.system.new_account(100 * PRICE_CREDITS * jobs)

    def played(self) -> Result:
        """1. Order, 2. order and read on a spoiled link, 3. see everything end once it is whole."""
        cell = self._result.cell
        client = self._linked.client(self._customer.api_key, PATIENCE_SECONDS)
        with client:
            # 1. The first call has the key looked up, which the ingress remembers.
            job_ids: list[str] = []
            ordered = partial(_accepted, client, self._key(), job_ids)
            _until(ordered, time.monotonic() + RECOVERY_SECONDS_MAX, "an order before the fault")
            first = job_ids[0]
            with self._linked.spoiled(cell.link, cell.toxic):  # 2.
                over_at = time.monotonic() + self._hold_seconds
                while time.monotonic() < over_at or len(self._keys) <= self._jobs:
                    self._call(lambda: post(client, self._key()))
                    self._call(lambda: client.get(f"/v1/generations/{first}"))
                    ready = self._linked.ready()
                    self._result.unready |= {name for name, well in ready.items() if not well}
        whole_at = time.monotonic()
        try:
            self._recover(whole_at)  # 3.
        except AssertionError as error:
            self._result.wrong.append(str(error))
        self._result.recovery_seconds = time.monotonic() - whole_at
        self._judge()
        return self._result

    def _key(self) -> str:
        self._keys.append(str(uuid4()))
        return self._keys[-1]

    def _call(self, call: Callable[[], httpx.Response]) -> None:
        began_at = time.monotonic()
        status = 0
        try:
            answer = call()
        except httpx.HTTPError:
            word = CUT
        else:
            status, word = answer.status_code, str(answer.status_code)
            if status == httpx.codes.SERVICE_UNAVAILABLE and "Retry-After" not in answer.headers:
                self._result.wrong.append("a 503 without Retry-After")
        seconds = time.monotonic() - began_at
        self._result.answers.append(word)
        self._result.longest_call_seconds = max(self._result.longest_call_seconds, seconds)
        if status == httpx.codes.SERVICE_UNAVAILABLE and seconds > REFUSAL_SECONDS_MAX:
            self._result.wrong.append(f"a 503 took {seconds:.2f} s")

    def _recover(self, whole_at: float) -> None:
        give_up_at = whole_at + RECOVERY_SECONDS_MAX
        with self._linked.client(self._customer.api_key, PATIENCE_SECONDS) as client:
            _until(lambda: all(self._linked.ready().values()), give_up_at, "everything is ready")
            # All are repeated before the first is waited for: a cut call is soon over, and there
            # may be a hundred.
            job_ids: list[str] = []
            for key in self._keys:
                accepted = partial(_accepted, client, key, job_ids)
                _until(accepted, give_up_at, "a repeat is accepted")
            for job_id in job_ids:
                _until(partial(self._ended, client, job_id), give_up_at, "a job ends")

    def _ended(self, client: httpx.Client, job_id: str) -> bool:
        try:
            answer = client.get(f"/v1/generations/{job_id}")
        except httpx.HTTPError:
            return False
        if answer.status_code != httpx.codes.OK or answer.json()["status"] not in ENDED:
            return False
        job = answer.json()
        self._result.ends.append(job["error"]["code"] if job["error"] else job["status"])
        return True

    def _judge(self) -> None:
        cell, result = self._result.cell, self._result
        wrong = result.wrong
        if strange := set(result.answers) - cell.calls:
            wrong.append(f"answers {sorted(strange)}, not {cell.outcome}")
        if cell.seen and not cell.seen & set(result.answers):
            wrong.append(f"none of {sorted(cell.seen)} was seen: {counted(result.answers)}")
        if result.longest_call_seconds < cell.slow_seconds:
            wrong.append(f"the longest call took {result.longest_call_seconds:.2f} s alone")
        if strange := set(result.ends) - {"completed"} - cell.failures:
            wrong.append(f"jobs ended as {sorted(strange)}")


def _accepted(client: httpx.Client, key: str, job_ids: list[str]) -> bool:
    try:
        answer = post(client, key)
    except httpx.HTTPError:
        return False
    if answer.status_code != httpx.codes.ACCEPTED:
        return False
    job_ids.append(answer.json()["id"])
    return True


def _until(condition: Callable[[], bool], give_up_at: float, what: str) -> None:
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {RECOVERY_SECONDS_MAX} s: {what}"
        time.sleep(0.1)
