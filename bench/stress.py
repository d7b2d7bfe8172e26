"""S0-149: 50 generations at once, then 100 in one minute, 30 s each at the provider.

The whole system runs, with the simulated providers, and has made short jobs for a minute before.
Each client polls each of its jobs every 2 s until it ends, the clients at moments of their own.
Everything leaves on a schedule and counts from its scheduled time. Wrong is: a job that is not
accepted, does not complete, or anything that `tape verify` finds.
"""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import httpx

from bench.accounts import accounts_with_keys, authorized
from bench.figures import Bar, Figure, Side
from bench.stage import Plan, Stage, environment_of
from devstack.account import remove_state
from devstack.state import StateFolder
from runtime.settings import Settings

ACCOUNTS = 50
JOBS_FULL = 100
MINUTE_SECONDS = 60.0
GENERATION_SECONDS_FULL = 30.0
POLL_SECONDS = 2.0
# A broker that has just started compiles itself for about a minute, on a core of its own.
WARM_SECONDS_FULL = 60.0
WARM_RATE = 5.0
WARM_GENERATION_SECONDS = 0.5
POST_BAR_MS = 200.0
STATUS_BAR_MS = 100.0
# 90 s beyond what the provider takes: the queue of downloads behind 50 videos that end at once.
SLACK_SECONDS = 90.0
ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
BODY = {"prompt": "a lighthouse at dusk, the beam over a calm sea", "duration_seconds": 8}
COMMAND_SECONDS_MAX = 180.0
# 30 s in steps of 50 ms.
CREDIT_READS_MAX = 600


@dataclass
class Clients:
    """All clients of one run: what they were told, and how long each answer took.

    Units: seconds, from the scheduled time.
    """

    http: httpx.AsyncClient
    headers: list[dict[str, str]]
    generation_seconds: float
    posts: list[float] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    async def job(self, number: int, at: float) -> None:
        """Post one job when it is due and follow it to its end."""
        header = self.headers[number % len(self.headers)]
        answer, seconds = await self._call("POST", "/v1/generations", header, at)
        self.posts.append(seconds)
        if answer is None or answer.status_code != httpx.codes.ACCEPTED:
            self.faults.append(f"job {number} not accepted: {answer and answer.text}")
            return
        # Nobody's clients all ask in the same millisecond.
        own_moment = POLL_SECONDS * (number % len(self.headers)) / len(self.headers)
        await self._follow(f"/v1/generations/{answer.json()['id']}", header, at + own_moment)

    async def _follow(self, path: str, header: dict[str, str], posted_at: float) -> None:
        for poll in range(1, int((self.generation_seconds + SLACK_SECONDS) / POLL_SECONDS)):
            answer, seconds = await self._call("GET", path, header, posted_at + poll * POLL_SECONDS)
            self.polls.append(seconds)
            if answer is None or answer.status_code != httpx.codes.OK:
                self.faults.append(f"{path}: {answer and answer.text}")
            elif (status := answer.json()["status"]) in ENDED:
                self.ends.append(status)
                return
        self.ends.append("never")

    async def _call(
        self, method: str, path: str, header: dict[str, str], at: float
    ) -> tuple[httpx.Response | None, float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(at - loop.time())
        answer = None
        try:
            body = BODY if method == "POST" else None
            answer = await self.http.request(method, path, headers=header, json=body)
        except httpx.HTTPError as error:
            self.faults.append(f"{method} {path}: {error!r}")
        return answer, loop.time() - at


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Run the load once on a whole system."""
    settings = await stage.with_tables(await stage.fresh())
    short = min(1.0, plan.scale)
    folder = Path(mkdtemp(prefix="tapeworks-stress-"))
    environment = {**environment_of(settings), "TAPE_STATE_DIR": str(folder), "COLUMNS": "200"}
    # What the stage leaves empty is made by the command, as for a user.
    for name in ("TAPE_ADMIN_KEY", "TAPEWORKS_MEDIA_SIGNING_KEY"):
        del environment[name]
    try:
        await _tape(environment, "up", "--detach", "--free-ports")
        try:
            clients = await _run(settings, environment, plan, short)
            verified = await _tape(environment, "verify", check=False)
        finally:
            await _tape(environment, "down")
    finally:
        remove_state(StateFolder(folder))
    if verified.returncode != 0:
        clients.faults.append(f"tape verify: {verified.stdout[-1500:]}{verified.stderr[-500:]}")
    wrong = [end for end in clients.ends if end != "completed"]
    if wrong:
        clients.faults.append(f"{len(wrong)} of {len(clients.ends)} jobs: {sorted(set(wrong))}")
    return _figures(clients)


async def _run(
    settings: Settings, environment: Mapping[str, str], plan: Plan, short: float
) -> Clients:
    printed = (await _tape(environment, "env")).stdout.splitlines()
    lines = (line.removeprefix("export ").partition("=") for line in printed)
    variables = {name: value.strip("'") for name, _, value in lines}
    seconds = max(1.0, GENERATION_SECONDS_FULL * short)
    headers = authorized(await accounts_with_keys(settings, ACCOUNTS))
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=variables["TAPE_URL"], limits=limits, timeout=15, trust_env=False
    ) as http:
        clock = f"{variables['TAPE_SIMULATOR_URL']}/_control/clock"
        await _granted(http, headers)
        (await http.post(clock, json={"seconds": WARM_GENERATION_SECONDS})).raise_for_status()
        faults = await _warmed(http, headers, WARM_SECONDS_FULL * short)
        (await http.post(clock, json={"seconds": seconds})).raise_for_status()
        clients = Clients(http, headers, seconds, faults=faults)
        at_once, in_a_minute = plan.amount(ACCOUNTS, 2), plan.amount(JOBS_FULL, 2)
        minute = MINUTE_SECONDS * in_a_minute / JOBS_FULL
        now = asyncio.get_running_loop().time() + 0.5
        # The burst has ended before the minute begins, so that no account is over its limit.
        burst = [clients.job(n, now) for n in range(at_once)]
        print(f"  {at_once} at once", flush=True)
        await asyncio.gather(*burst)
        now = asyncio.get_running_loop().time() + 0.5
        spread = [clients.job(n, now + n * minute / in_a_minute) for n in range(in_a_minute)]
        print(f"  {in_a_minute} in {minute:.0f} s", flush=True)
        await asyncio.gather(*spread)
    return clients


async def _warmed(
    http: httpx.AsyncClient, headers: list[dict[str, str]], seconds: float
) -> list[str]:
    """Have jobs made for a while; give what went wrong."""
    clients = Clients(http, headers, WARM_GENERATION_SECONDS)
    now = asyncio.get_running_loop().time()
    jobs = max(1, round(seconds * WARM_RATE))
    print(f"  {jobs} to warm up", flush=True)
    await asyncio.gather(*(clients.job(n, now + n / WARM_RATE) for n in range(jobs)))
    return clients.faults


async def _granted(http: httpx.AsyncClient, headers: list[dict[str, str]]) -> None:
    """Wait until every account shows its credits; this also has every key looked up once."""
    for header in headers:
        for _ in range(CREDIT_READS_MAX):
            if (await http.get("/v1/credits", headers=header)).json()["granted_credits"]:
                break
            await asyncio.sleep(0.05)


async def _tape(
    environment: Mapping[str, str], *arguments: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tape", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS_MAX,
        check=check,
    )


def _figures(clients: Clients) -> list[Figure]:
    kafka = "decision on the log, acks=all on one broker"
    figures = []
    for name, title, times, bar_ms in (
        ("S0-149", "50 jobs at once, 100 in a minute: POST p99", clients.posts, POST_BAR_MS),
        ("S0-149-status", "the same: status p99", clients.polls, STATUS_BAR_MS),
    ):
        p50, p99 = (quantile_ms(times, share) for share in (0.5, 0.99))
        figure = Figure(
            id=name,
            title=title,
            unit="ms",
            ours=Side("ours", kafka, [p99]),
            against=Side(f"{bar_ms:g} ms", "a figure, not a program", [bar_ms]),
            bar=Bar(at_most=1.0),
        )
        figure.notes.append(f"{len(times)} answers, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        figures.append(figure)
    figures[0].notes.append(f"{clients.ends.count('completed')} jobs completed, `tape verify` run")
    figures[0].faults = clients.faults[:20]
    return figures


def quantile_ms(seconds: list[float], share: float) -> float:
    """Give the time within which so large a share came, milliseconds."""
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))] * 1000
