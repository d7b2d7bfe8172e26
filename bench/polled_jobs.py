"""One process that carries polled jobs and says what they weigh: `python -m bench.polled_jobs`.

`heap`: our runner as it is, its jobs in one heap. `tasks`: one asyncio task per job, which holds
the job and sleeps between two polls. Both take up the same states, read from their bytes as after
a restart, and poll the same provider by the same plan.
"""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psutil

from bench.load import VIDEO
from domain.generation_state import Job, Limits
from processors.generation import STATE_TYPES, GenerationProgram, OpenJob, job_key
from processors.job_calls import Outside
from processors.job_runner import JobRunner
from providers.capabilities import CAPABILITIES
from providers.protocol import CancelAnswer, Capabilities, PollAnswer, PollPlan, Running, Submission
from runtime.clock import utc_now
from runtime.event_log.states import Overlay, PrefixCodec, States
from runtime.exits import die
from runtime.objects import open_media_store
from runtime.settings import Settings

POLL_SECONDS = 4.0
# Among how many the jobs are shared out.
ACCOUNTS = 4000
# 20 ms: as long as a provider near by takes to answer.
ANSWER_SECONDS = 0.02
LIMITS = Limits()
CAPABILITY = replace(
    CAPABILITIES[VIDEO.model],
    poll_interval_seconds=POLL_SECONDS,
    poll_interval_seconds_max=POLL_SECONDS,
)


class Provider:
    """Says of every job that it runs."""

    name = "google"

    def __init__(self) -> None:
        self.polled: set[str] = set()

    def capabilities(self, model: str) -> Capabilities:
        return replace(
            CAPABILITIES[model],
            poll_interval_seconds=POLL_SECONDS,
            poll_interval_seconds_max=POLL_SECONDS,
        )

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        del model
        await asyncio.sleep(ANSWER_SECONDS)
        self.polled.add(operation_id)
        return Running("running")

    async def submit(self, submission: Submission) -> str:
        raise NotImplementedError(submission.job_id)

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        raise NotImplementedError(model, operation_id)

    @asynccontextmanager
    async def fetch(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        raise NotImplementedError(source)
        yield  # pragma: no cover  makes this a generator

    async def close(self) -> None: ...


class Lane:
    """The lane of our runner: decides as the real one does, and commits at once."""

    partition = 0

    def __init__(self, states: States, program: GenerationProgram) -> None:
        self.states = states
        self.program = program

    async def readable(self) -> None: ...

    async def decide(self, command: object) -> None:
        overlay = Overlay(self.states)
        written = self.program.decide_command(command, overlay)
        overlay.keep()
        overlay.commit()
        self.runner.committed(overlay.changed, written)

    def run(self) -> None:
        companion = self.program.companion(self)
        assert isinstance(companion, JobRunner)
        self.runner = companion
        companion.opened()


def jobs_in_flight(count: int) -> Iterator[OpenJob]:
    """Make jobs that their provider is at, the same account's far apart from each other."""
    now = utc_now()
    for n in range(count):
        job = Job(
            job_id=str(UUID(int=n + (7 << 100))),
            account_id=f"account-{n % ACCOUNTS}",
            provider="google",
            settings=VIDEO,
            prompt=None,
            status="processing",
            reserved_at=now,
            attempt=1,
            operation_id=f"models/veo-3.1/operations/{n:012d}",
            submitted_at=now + timedelta(milliseconds=400),
            provider_state="running",
            poll_written_at=now + timedelta(seconds=1),
        )
        yield OpenJob(job, str(UUID(int=n)))


def state_records(count: int) -> list[tuple[str, bytes]]:
    """Make the records of the state topic that a restarted worker reads."""
    codec = PrefixCodec(STATE_TYPES)
    return [(job_key(opened.job.job_id), codec.encode(opened)) for opened in jobs_in_flight(count)]


async def carry(kind: str, count: int) -> tuple[float, float]:
    """Carry jobs until each was polled; give the bytes per job, all and without its state."""
    provider = Provider()
    settings = Settings()
    outside = Outside.open({"google": provider}, open_media_store(settings), settings)
    program = GenerationProgram(LIMITS, lambda lane: JobRunner(lane, outside, LIMITS, die))
    records = state_records(count)
    before = _bytes_used()
    states = States()
    for key, value in records:
        states.load(key, program.codec.decode(key, value))
    loaded = _bytes_used()
    if kind == "heap":
        Lane(states, program).run()
        following: list[asyncio.Task[None]] = []
    else:
        # Kept here: a task that nobody holds may be collected.
        following = _follow_each(states, provider)
        del states
    async with asyncio.timeout(60):
        while len(provider.polled) < count:  # noqa: ASYNC110  seen by asking, as from outside
            await asyncio.sleep(0.05)
    provider.polled.clear()
    after = _bytes_used()
    for task in following:
        task.cancel()
    return (after - before) / count, (after - loaded) / count


def _follow_each(states: States, provider: Provider) -> "list[asyncio.Task[None]]":
    plan = PollPlan(POLL_SECONDS, POLL_SECONDS)
    calls = asyncio.Semaphore(Settings().provider_calls_max)
    jobs = [state for state in states.values() if isinstance(state, OpenJob)]
    return [
        asyncio.create_task(_follow(opened, provider, plan, calls, n / len(jobs)))
        for n, opened in enumerate(jobs)
    ]


async def _follow(
    opened: OpenJob, provider: Provider, plan: PollPlan, calls: asyncio.Semaphore, spread: float
) -> None:
    job = opened.job
    assert job.operation_id is not None
    assert job.submitted_at is not None
    await asyncio.sleep(spread * POLL_SECONDS)
    while True:
        try:
            async with asyncio.timeout((job.deadline(LIMITS) - utc_now()).total_seconds()):
                async with calls:
                    answer = await provider.poll(job.settings.model, job.operation_id)
                assert isinstance(answer, Running)
                await asyncio.sleep(plan.next_poll_in_seconds(job.submitted_at, utc_now()))
        except TimeoutError:
            return


def _bytes_used() -> int:
    gc.collect()
    return int(psutil.Process().memory_full_info().uss)


if __name__ == "__main__":
    print(*asyncio.run(carry(sys.argv[1], int(sys.argv[2]))))
