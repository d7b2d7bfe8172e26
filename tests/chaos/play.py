"""Plays faults against a running system, and judges what came of it."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import httpx

from replay.billing import SubmissionRow
from replay.submissions import fetch_submissions
from tests.chaos.arena import Arena
from tests.chaos.fault import Fault, Size
from tests.chaos.following import Following
from tests.chaos.history import History, Verdict
from tests.chaos.load import Load, Plan
from tests.chaos.progress import Progress
from tests.chaos.table import Row, percentile
from tests.running import Customer, RunningSystem

PRICE_CREDITS = 40
COMPLETED = "/v1/generations?status=completed&limit=1"
VERIFY_SECONDS_MAX = 900.0
MONEY_SECONDS_MAX = 20.0


class Run:
    """Some faults at one time, mostly one, from the first job to the verdict."""

    def __init__(
        self,
        system: RunningSystem,
        customers: Sequence[Customer],
        folder: Path,
        *,
        faults: Mapping[Fault, Size],
        plan: Plan,
    ) -> None:
        self._system = system
        self._customers = customers
        self._folder = folder
        self._faults = faults
        self._plan = plan
        self._progress = Progress(system.settings)
        self._history = folder / f"{plan.name}.jsonl"
        self._row = Row(
            " + ".join(fault.name for fault in faults), ", ".join(fault.row for fault in faults)
        )

    async def played(self) -> Row:
        """1. Strike while jobs run, 2. judge what clients saw, 3. the money, 4. the log."""
        began_at = time.monotonic()
        following = Following(self._system, self._folder / f"{self._plan.name}.follow")
        try:
            await self._struck()  # 1.
            await self._judge()  # 2.
            await self._check_money()  # 3.
            self._row.verify = await self._verified()  # 4.
        finally:
            self._row.wrong += await asyncio.to_thread(following.end)
        self._row.seconds = time.monotonic() - began_at
        return self._row

    async def _struck(self) -> None:
        row = self._row
        with (
            History(self._history) as written,
            (self._folder / f"{self._plan.name}.log").open("w") as log,
        ):
            load = Load(self._plan, self._system.variables["TAPE_URL"], self._customers, written)
            arenas = {fault: self._arena(fault, load, log) for fault in self._faults}
            async with (
                asyncio.timeout(sum(fault.seconds_max for fault in self._faults)),
                self._progress.watched(),
                load.running(),
                asyncio.TaskGroup() as strikes,
            ):
                for fault, arena in arenas.items():
                    for number, target in enumerate(fault.targets):
                        share = len(range(number, self._faults[fault].strikes, len(fault.targets)))
                        strikes.create_task(self._strike(fault, arena, target, share))
        for fault, arena in arenas.items():
            row.recoveries += arena.recoveries
            row.notes |= arena.notes
            row.wrong += [*arena.wrong, *_too_slow(fault, arena.recoveries)]
        if load.held_back:
            row.notes["held back"] = load.held_back

    def _arena(self, fault: Fault, load: Load, log: TextIO) -> Arena:
        dice = random.Random(f"{fault.name} {self._plan.seed}")  # noqa: S311  replayed from its seed
        hold_seconds = self._faults[fault].hold_seconds
        return Arena(self._system, load, self._progress, dice, hold_seconds, log)

    async def _strike(self, fault: Fault, arena: Arena, target: str, times: int) -> None:
        for _ in range(times):
            await arena.pause(self._faults[fault].pause_seconds_max)
            await fault.strike(arena, target)
            self._row.runs += 1

    async def _judge(self) -> None:
        row, verdict = self._row, Verdict.of(self._history)
        row.jobs = len({story.real_id for story in verdict.stories.values()})
        row.calls = verdict.operations
        if verdict.operations["failed"]:
            row.notes["slowest refusal ms"] = round(1000 * verdict.slowest_refusal_seconds)
        row.ended = Counter(story.end or "open" for story in verdict.stories.values())
        billed = await self._billed_twice({story.key for story in verdict.stories.values()})
        doubled = [*verdict.doubled, *billed]
        row.lost, row.double, row.stuck = len(verdict.lost), len(doubled), len(verdict.stuck)
        row.wrong += [*verdict.lost, *doubled, *verdict.stuck, *verdict.wrong]
        strange = set(row.ended) - {"completed", "failed", "open"}
        row.wrong += [f"{row.ended[end]} jobs ended as {end}" for end in sorted(strange)]

    async def _billed_twice(self, prompts: set[str]) -> list[str]:
        rows = await fetch_submissions(self._system.variables["TAPE_SIMULATOR_URL"])
        by_prompt: dict[str | None, list[SubmissionRow]] = defaultdict(list)
        for row in rows:
            by_prompt[row.prompt].append(row)
        return [
            f"{prompt} was billed {count} times"
            for prompt in sorted(prompts)
            if (count := sum(row.billed for row in by_prompt[prompt])) > 1
        ]

    async def _check_money(self) -> None:
        """Ask every account: what was granted is what it has and what its videos kept."""
        give_up_at = time.monotonic() + MONEY_SECONDS_MAX
        while wrong := await asyncio.to_thread(self._wrong_money):
            # A price is kept some milliseconds after its job is shown as completed.
            if time.monotonic() > give_up_at:
                self._row.wrong += wrong
                return
            await asyncio.sleep(0.2)

    def _wrong_money(self) -> list[str]:
        wrong = []
        for customer in self._customers:
            with customer.client() as client:
                answers = [client.get(path) for path in ("/v1/credits", COMPLETED)]
            if any(answer.status_code != httpx.codes.OK for answer in answers):
                wrong.append(f"{customer.account_id} cannot be asked for its credits")
                continue
            said, completed = answers[0].json(), answers[1].json()["total"]
            expected = {"reserved_credits": 0, "settled_credits": PRICE_CREDITS * completed}
            expected["available_credits"] = said["granted_credits"] - expected["settled_credits"]
            found = {name: said[name] for name in expected}
            if found != expected:
                wrong.append(f"{customer.account_id} has {found}, not {expected}")
        return wrong

    async def _verified(self) -> str:
        # Twice at most: the read models are some milliseconds behind the accounts' last change.
        for _ in range(2):
            report = await asyncio.to_thread(
                self._system.verify, "--at-rest", timeout_seconds=VERIFY_SECONDS_MAX
            )
            if report.returncode == 0:
                return "green"
        self._row.wrong += report.stdout.splitlines()
        return "red"


def _too_slow(fault: Fault, recoveries: Sequence[float]) -> list[str]:
    most = fault.recovery_seconds_max
    if most is None or not recoveries:
        return []
    found = percentile(sorted(recoveries), 0.99)
    return [f"recovery took {found:.1f} s (p99), at most {most} s"] if found > most else []
