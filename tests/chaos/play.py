"""Plays one fault against a running system, and judges what came of it."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

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
VERIFY_SECONDS_MAX = 900.0
MONEY_SECONDS_MAX = 20.0


class Run:
    """One fault at one size, from the first job to the verdict."""

    def __init__(
        self,
        system: RunningSystem,
        customers: Sequence[Customer],
        folder: Path,
        *,
        fault: Fault,
        size: Size,
        plan: Plan,
    ) -> None:
        self._system = system
        self._fault = fault
        self._size = size
        self._plan = plan
        self._customers = customers
        self._folder = folder
        self._progress = Progress(system.settings)
        self._history = folder / f"{plan.name}.jsonl"
        self._row = Row(fault.name, fault.row)

    async def played(self) -> Row:
        """1. Strike while jobs run, 2. judge what clients saw, 3. the money, 4. the log."""
        began_at = time.monotonic()
        following = Following(self._system, self._folder / f"{self._plan.name}.follow")
        try:
            arena = await self._run()  # 1.
            await self._judge(arena)  # 2.
            await self._check_money()  # 3.
            self._row.verify = await self._verified()  # 4.
        finally:
            self._row.wrong += await asyncio.to_thread(following.end)
        self._row.seconds = time.monotonic() - began_at
        return self._row

    async def _run(self) -> Arena:
        with (
            History(self._history) as written,
            (self._folder / f"{self._plan.name}.log").open("w") as log,
        ):
            load = Load(self._plan, self._system.variables["TAPE_URL"], self._customers, written)
            arena = Arena(
                self._system,
                load,
                self._progress,
                random.Random(f"{self._plan.name} {self._plan.seed}"),  # noqa: S311  replayed from its seed
                self._size.hold_seconds,
                log,
            )
            async with (
                asyncio.timeout(self._fault.seconds_max),
                self._progress.watched(),
                load.running(),
            ):
                await self._strike(arena)
        return arena

    async def _strike(self, arena: Arena) -> None:
        """Strike each target in turn with the others, the strikes shared out among them."""
        targets = self._fault.targets
        shares = {
            target: len(range(number, self._size.strikes, len(targets)))
            for number, target in enumerate(targets)
        }

        async def strike(target: str) -> None:
            for _ in range(shares[target]):
                await arena.pause(self._size.pause_seconds_max)
                await self._fault.strike(arena, target)
                self._row.runs += 1

        async with asyncio.TaskGroup() as group:
            for target in targets:
                group.create_task(strike(target))

    async def _judge(self, arena: Arena) -> None:
        row, verdict = self._row, Verdict.of(self._history)
        row.recoveries, row.notes = arena.recoveries, arena.notes
        row.wrong += arena.wrong
        if arena.load.held_back:
            row.notes["held back"] = arena.load.held_back
        row.jobs = len({story.real_id for story in verdict.stories.values()})
        row.calls = verdict.operations
        row.ended = Counter(story.end or "open" for story in verdict.stories.values())
        billed = await self._billed_twice({story.key for story in verdict.stories.values()})
        doubled = [*verdict.doubled, *billed]
        row.lost, row.double, row.stuck = len(verdict.lost), len(doubled), len(verdict.stuck)
        row.wrong += [*verdict.lost, *doubled, *verdict.stuck, *verdict.wrong]
        strange = set(row.ended) - {"completed", "failed", "open"}
        row.wrong += [f"{row.ended[end]} jobs ended as {end}" for end in sorted(strange)]
        self._judge_recovery()

    def _judge_recovery(self) -> None:
        most = self._fault.recovery_seconds_max
        if most is None or not self._row.recoveries:
            return
        found = percentile(sorted(self._row.recoveries), 0.99)
        if found > most:
            self._row.wrong.append(f"recovery took {found:.1f} s (p99), at most {most} s")

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
                said = client.get("/v1/credits").json()
                completed = client.get("/v1/generations?status=completed&limit=1").json()["total"]
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
