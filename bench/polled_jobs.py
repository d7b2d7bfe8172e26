"""One process that carries polled jobs and says what they weigh: `python -m bench.polled_jobs`.

`heap`: our runner as it is, its jobs in one heap. `tasks`: one asyncio task per job, which holds
the job and sleeps between two polls. Both take up the same states, read from their bytes as after
a restart, and poll the same provider by the same plan.
"""

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
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

    def __init__(self, jobs: int) -> None:
        # A byte for each job, by the number that its operation ends with.
        self.polled = bytearray(jobs)

    def capabilities(self, model: str) -> Capabilities:
        return replace(
            CAPABILITIES[model],
            poll_interval_seconds=POLL_SECONDS,
            poll_interval_seconds_max=POLL_SECONDS,
        )

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        del model
        await asyncio.sleep(ANSWER_SECONDS)
        self.polled[int(operation_id.rpartition("-")[2])] = 1
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
    """Make jobs that their provider is at, the same account's far apart from each other.

    Ids and times are as unlike as real ones, which a state that is packed must keep whole.
    """
    chance = Random(10)
    started = utc_now()
    for n in range(count):
        now = started + timedelta(microseconds=chance.randrange(1_000_000))
        job = Job(
            job_id=_some_id(chance),
            account_id=f"account-{n % ACCOUNTS}",
            provider="google",
            settings=VIDEO,
            prompt=None,
            status="processing",
            reserved_at=now,
            attempt=1,
            operation_id=f"models/veo-3.1/operations/{_some_id(chance)[:8]}-{n}",
            submitted_at=now + timedelta(microseconds=chance.randrange(400_000, 900_000)),
            provider_state="running",
            poll_written_at=now + timedelta(seconds=1),
        )
        yield OpenJob(job, _some_id(chance))


def _some_id(chance: Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def state_records(count: int) -> dict[str, bytes]:
    """Make the records of the state topic that a restarted worker reads."""
    codec = PrefixCodec(STATE_TYPES)
    return {job_key(opened.job.job_id): codec.encode(opened) for opened in jobs_in_flight(count)}


async def carry(kind: str, count: int) -> float:
    """Carry jobs until each was polled; give the bytes that each takes."""
    provider = Provider(count)
    settings = Settings()
    outside = Outside.open({"google": provider}, open_media_store(settings), settings)
    program = GenerationProgram(LIMITS, lambda lane: JobRunner(lane, outside, LIMITS, die))
    before = _bytes_used()
    following: list[asyncio.Task[None]] = []
    if kind == "heap":
        codec, used_max = program.codec, program.used_states_max
        states = States(state_records(count), codec.decode, codec.encode, used_max)
        Lane(states, program).run()
    else:
        # Kept here: a task that nobody holds may be collected.
        following = _follow_each(state_records(count), program, provider)
    async with asyncio.timeout(60):
        while not all(provider.polled):  # noqa: ASYNC110  seen by asking, as from outside
            await asyncio.sleep(0.05)
    after = _bytes_used()
    for task in following:
        task.cancel()
    return (after - before) / count


def _follow_each(
    records: Mapping[str, bytes], program: GenerationProgram, provider: Provider
) -> "list[asyncio.Task[None]]":
    plan = PollPlan(POLL_SECONDS, POLL_SECONDS)
    calls = asyncio.Semaphore(Settings().provider_calls_max)
    states = (program.codec.decode(key, value) for key, value in records.items())
    jobs = [state for state in states if isinstance(state, OpenJob)]
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
    # What is free inside the heap goes back as well: a process that runs for long uses it again.
    ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_full_info().uss)


if __name__ == "__main__":
    print(asyncio.run(carry(sys.argv[1], int(sys.argv[2]))))
