"""A chaos run: a seeded load by patient clients, and somebody who kills and freezes workers."""

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.running import Customer, RunningSystem
from tests.system.jobs import ENDED

PRICE_CREDITS = 40
FAULTS = ("error_500", "error_429", "safety_block", "drop_answer", "corrupt_download")


@dataclass(frozen=True)
class Plan:
    """One run.

    Units: `fault_share` of all submissions, split evenly among the kinds; times in seconds.
    """

    seed: int
    jobs: int
    accounts: int
    fault_share: float
    kill_every_seconds: float
    freeze_seconds: float
    job_timeout_seconds: float = 180.0


@dataclass
class Operation:
    """One call of a client, as the client saw it."""

    started_at: float
    ended_at: float
    outcome: str


@dataclass
class History:
    """What clients and the killer did."""

    operations: list[Operation] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)

    def counted(self) -> str:
        outcomes = [operation.outcome for operation in self.operations]
        ends = list(self.ended.values())
        return (
            f"{len(ends)} jobs ended: { {end: ends.count(end) for end in sorted(set(ends))} }; "
            f"calls: { {kind: outcomes.count(kind) for kind in sorted(set(outcomes))} }; "
            f"kills: {self.kills}"
        )


class Killer(threading.Thread):
    """Kills a worker every few seconds, and freezes one once."""

    def __init__(
        self, system: RunningSystem, plan: Plan, victims: Sequence[str], history: History
    ) -> None:
        super().__init__(name="killer", daemon=True)
        self._system = system
        self._plan = plan
        self._victims = victims
        self._history = history
        self._random = random.Random(plan.seed)  # noqa: S311  a run must replay from its seed
        self._over = threading.Event()
        self._frozen: tuple[int, float] | None = None

    def run(self) -> None:
        self._freeze(self._victims[self._random.randrange(len(self._victims))])
        while not self._over.wait(self._plan.kill_every_seconds):
            self._thaw_when_due()
            self._kill(self._random.choice(self._victims))

    def stop(self) -> None:
        self._over.set()
        self.join(30)
        self._thaw_when_due(now=True)

    def _kill(self, name: str) -> None:
        pid = self._pid(name)
        if pid is not None and (self._frozen is None or self._frozen[0] != pid):
            os.kill(pid, signal.SIGKILL)
            self._history.kills.append(name)

    def _freeze(self, name: str) -> None:
        pid = self._pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGSTOP)
        self._frozen = (pid, time.monotonic() + self._plan.freeze_seconds)
        self._history.kills.append(f"{name} (frozen)")

    def _thaw_when_due(self, *, now: bool = False) -> None:
        if self._frozen is not None and (now or time.monotonic() >= self._frozen[1]):
            pid, self._frozen = self._frozen[0], None
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return

    def _pid(self, name: str) -> int | None:
        try:
            pid = self._system.pid(name)
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None  # between its end and its restart
        return pid


class PatientClient:
    """Posts one job with one key until it is answered, then follows it to its end."""

    def __init__(self, customer: Customer, plan: Plan, history: History) -> None:
        self._customer = customer
        self._plan = plan
        self._history = history

    def run(self, number: int) -> None:
        give_up_at = time.monotonic() + self._plan.job_timeout_seconds
        key = f"chaos-{self._plan.seed}-{number}"
        with self._customer.client() as client:
            # A request that was answered `requested` may be declined later, for too many active
            # jobs; nothing was charged, and the same key may be used again.
            while (end := self._follow(client, key, give_up_at)) == "rejected":
                self._wait(give_up_at, key)
        self._history.ended[key] = end

    def _follow(self, client: httpx.Client, key: str, give_up_at: float) -> str:
        job_id = self._post(client, key, give_up_at)
        while True:
            answer = self._call(client, "GET", f"/v1/generations/{job_id}")
            if answer is not None and answer.status_code == httpx.codes.OK:
                status = str(answer.json()["status"])
                if status in ENDED:
                    return status
            self._wait(give_up_at, key)

    def _post(self, client: httpx.Client, key: str, give_up_at: float) -> str:
        body = {"prompt": key, "duration_seconds": 4}
        while True:
            answer = self._call(client, "POST", "/v1/generations", json=body, key=key)
            if answer is not None:
                if answer.status_code == httpx.codes.ACCEPTED:
                    return str(answer.json()["id"])
                assert answer.status_code in (429, 503), answer.text
            self._wait(give_up_at, key)

    def _call(
        self, client: httpx.Client, method: str, path: str, *, key: str = "", json: object = None
    ) -> httpx.Response | None:
        started_at = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        answer: httpx.Response | None = None
        try:
            answer = client.request(method, path, json=json, headers=headers)
        except httpx.HTTPError as error:
            outcome = f"unknown ({type(error).__name__})"
        else:
            outcome = f"{method} {answer.status_code}"
        self._history.operations.append(Operation(started_at, time.monotonic(), outcome))
        return answer

    def _wait(self, give_up_at: float, key: str) -> None:
        assert time.monotonic() < give_up_at, f"{key} has not ended"
        time.sleep(0.25)


def run_chaos(system: RunningSystem, plan: Plan, victims: Sequence[str]) -> History:
    """Run the plan to its end: every job ended, every worker thawed, nothing killed any more."""
    history = History()
    per_account = -(-plan.jobs // plan.accounts)
    customers = [system.new_account(PRICE_CREDITS * per_account) for _ in range(plan.accounts)]
    with system.simulator() as control:
        for kind in FAULTS:
            body = {"provider": "google", "kind": kind, "rate": plan.fault_share / len(FAULTS)}
            control.post("/_control/faults", json=body).raise_for_status()
    killer = Killer(system, plan, victims, history)
    killer.start()
    try:
        # Two clients per account: both meet the limit of active jobs, and each other.
        with ThreadPoolExecutor(plan.accounts * 2) as pool:
            runs = [
                pool.submit(PatientClient(customers[n % plan.accounts], plan, history).run, n)
                for n in range(plan.jobs)
            ]
            for run in runs:
                run.result()
    finally:
        killer.stop()
        with system.simulator() as control:
            control.delete("/_control/faults")
    return history
