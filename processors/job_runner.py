"""Runs one lane's open jobs: gives each its next step when its moment comes.

What must survive a restart is in the jobs' states; the moments here are derived from them.
"""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal, NamedTuple

from domain.generation_commands import CheckDeadline, RecoverSubmission
from domain.generation_state import Job, JobStatus, Limits
from processors.alerts import announce_alerts
from processors.fair_places import FairPlace
from processors.generation import OpenJob
from processors.job_calls import JobCalls, Outside
from processors.job_timers import JobTimers
from processors.provider_gate import Place, ProviderGate
from providers.protocol import PollPlan
from runtime import metrics
from runtime.event_log.program import LaneClosedError, LaneHandle
from runtime.exits import Die
from runtime.logs import logger
from schemas.envelope import Envelope

log = logger(__name__)
# Steps of one lane that need no place and run at once; the rest stays in the heap. Steps that
# need one wait for it as an entry in a queue, and are bounded by the places.
STEPS_MAX = 256
# 5 s: a submit in flight is given this long to be answered when the lane is given up, because its
# answer is lost with the lane; most submits answer within one.
CLOSE_GRACE_SECONDS = 5.0
_NEVER_SECONDS = float("inf")
StepKind = Literal["read", "order", "retry", "download"]


class Wait(NamedTuple):
    """What a job waits for: a place for a step of this kind."""

    kind: StepKind
    # None for a download, which waits at no provider's gate.
    gate: ProviderGate | None
    account_id: str


class JobRunner:
    """Follows the jobs of one lane from reservation to end."""

    def __init__(self, lane: LaneHandle, outside: Outside, limits: Limits, die: Die) -> None:
        self._lane = lane
        self._outside = outside
        self._limits = limits
        self._die = die
        self._calls = JobCalls(lane, outside)
        self._timers = JobTimers()
        self._steps: dict[str, asyncio.Task[object]] = {}
        self._unplaced: set[str] = set()
        self._submitting: set[str] = set()
        # Of a job that is followed no object is kept here: there may be very many.
        self._known: dict[str, JobStatus] = {}
        self._waiting: dict[str, Wait] = {}
        # One object for all that wait, not one each.
        self._start_placed = self._placed
        self._wake = asyncio.Event()
        self._closing = False
        self._loop_task: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """Take up every job where its state says it is."""
        for state in self._lane.states.values():
            if isinstance(state, OpenJob):
                self._follow(state.job, jitter=True)
        self._loop_task = asyncio.create_task(self._run())

    def committed(self, changed: Mapping[str, object | None], written: Sequence[Envelope]) -> None:
        """Follow what a transaction changed, and tell operators what it told them."""
        announce_alerts(written)
        for key, state in changed.items():
            if isinstance(state, OpenJob):
                self._follow(state.job)
            elif state is None:
                self._forget(key.partition("/")[2])

    async def close(self) -> None:
        """Start nothing more; wait a little for submits in flight; drop the rest."""
        self._closing = True
        if self._loop_task is not None:
            self._loop_task.cancel()
        for job_id in tuple(self._waiting):
            self._withdraw(job_id)
        submits = [self._steps[job_id] for job_id in self._submitting if job_id in self._steps]
        if submits:
            await asyncio.wait(submits, timeout=CLOSE_GRACE_SECONDS)
        for task in self._steps.values():
            task.cancel()
        running = [*self._steps.values(), *([self._loop_task] if self._loop_task else [])]
        if running:
            await asyncio.wait(running)
        for status in self._known.values():
            metrics.jobs_in_flight.labels(status).dec()

    def _follow(self, job: Job, *, jitter: bool = False) -> None:
        before = self._known.get(job.job_id)
        if before is not None:
            metrics.jobs_in_flight.labels(before).dec()
        metrics.jobs_in_flight.labels(job.status).inc()
        self._known[job.job_id] = job.status
        if job.job_id in self._steps:
            return  # the step in hand looks again at its end
        # What it waits for may be another place now, or none.
        self._withdraw(job.job_id)
        wait_seconds = self._wait_seconds(job)
        if jitter and job.status == "processing" and job.cancel_requested_by is None:
            # After a restart everything is overdue at once: spread it over one interval.
            spread = zlib.crc32(job.job_id.encode()) / 2**32
            wait_seconds = spread * self._plan(job).interval_seconds
        self._schedule(job.job_id, job, wait_seconds)

    def _schedule(self, job_id: str, job: Job, wait_seconds: float) -> None:
        # Not by the job's own copy of its id, which would outlive it once for each that follows.
        remaining = (job.deadline(self._limits) - self._outside.clock()).total_seconds()
        wait_seconds = max(min(wait_seconds, remaining), 0.0)
        self._timers.set(job_id, asyncio.get_running_loop().time() + wait_seconds)
        self._wake.set()

    def _wait_seconds(self, job: Job) -> float:
        now = self._outside.clock()
        if job.status == "pending" and job.retry_at is not None:
            return _seconds_until(job.retry_at, now)
        if job.status == "processing" and job.cancel_requested_by is not None:
            return 0.0
        if job.status == "processing" and job.poll_written_at is not None:
            return self._next_poll_seconds(job)
        return 0.0

    def _next_poll_seconds(self, job: Job) -> float:
        assert job.submitted_at is not None, "a job is processing once it was submitted"
        return self._plan(job).next_poll_in_seconds(job.submitted_at, self._outside.clock())

    def _plan(self, job: Job) -> PollPlan:
        capabilities = self._outside.providers[job.provider].capabilities(job.settings.model)
        return PollPlan(
            capabilities.poll_interval_seconds,
            capabilities.poll_interval_seconds_max,
            self._outside.durations.of(job.settings),
        )

    def _forget(self, job_id: str) -> None:
        self._calls.forget(job_id)
        self._timers.forget(job_id)
        self._withdraw(job_id)
        status = self._known.pop(job_id, None)
        if status is not None:
            metrics.jobs_in_flight.labels(status).dec()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            self._wake.clear()
            if len(self._unplaced) < STEPS_MAX:
                for job_id in self._timers.pop_due(loop.time()):
                    self._begin(job_id)
                    if len(self._unplaced) >= STEPS_MAX:
                        break
            due = self._timers.next_due() if len(self._unplaced) < STEPS_MAX else None
            # Not wait_for: Python 3.11's may swallow the cancellation that close() sends.
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._wake.wait()

    def _begin(self, job_id: str) -> None:
        """Start a job's step, or have it wait for its place until its deadline at most."""
        self._withdraw(job_id)
        job = self._calls.job(job_id)
        if job is None:
            return
        kind = self._step_kind(job)
        if kind is None:
            self._unplaced.add(job_id)
            self._start(job_id, None)
            return
        gate = None if kind == "download" else self._outside.gates[job.provider]
        self._waiting[job_id] = Wait(kind, gate, job.account_id)
        if kind == "download" or gate is None:
            self._outside.download_steps.ask(job.account_id, job_id, self._start_placed)
        else:
            gate.ask(kind, job.account_id, job_id, self._start_placed)
        if job_id in self._waiting:
            self._schedule(job_id, job, _NEVER_SECONDS)

    def _step_kind(self, job: Job) -> StepKind | None:
        """Say what a job's next step needs a place for; None for one that makes no such call."""
        if self._outside.clock() >= job.deadline(self._limits):
            return None
        if job.status == "pending":
            return "retry" if job.attempt > 0 else "order"
        if job.status == "downloading":
            return "download"
        if job.status == "processing" and job.cancel_requested_by is None:
            return "read"
        return None

    def _placed(self, job_id: str, place: Place | FairPlace) -> None:
        del self._waiting[job_id]
        self._timers.forget(job_id)
        self._start(job_id, place)

    def _start(self, job_id: str, place: Place | FairPlace | None) -> None:
        step = asyncio.create_task(self._step_guarded(job_id, place))
        self._steps[job_id] = step
        if place is not None:
            # Not in the step: one that is cancelled before it began never runs.
            step.add_done_callback(lambda _: place.release())

    def _withdraw(self, job_id: str) -> None:
        wait = self._waiting.pop(job_id, None)
        if wait is None:
            return
        if wait.kind == "download" or wait.gate is None:
            self._outside.download_steps.withdraw(wait.account_id, job_id)
        else:
            wait.gate.withdraw(wait.kind, wait.account_id, job_id)

    async def _step_guarded(self, job_id: str, place: Place | FairPlace | None) -> None:
        again_in_seconds = 0.0
        before = self._calls.job(job_id)
        try:
            if before is not None:
                again_in_seconds = await self._step(before, place)
                await self._stop_overdue(before)
        except LaneClosedError:
            return
        except Exception as error:
            log.exception("step_failed", job_id=job_id)
            # The job's state says where it is; a fresh start takes it up from there.
            self._die(f"job {job_id}: {error!r}")
        finally:
            self._steps.pop(job_id, None)
            self._submitting.discard(job_id)
            self._unplaced.discard(job_id)
            self._wake.set()
        job = self._calls.job(job_id)
        if job is None or self._closing:
            return
        wait_seconds = self._wait_seconds(job)
        if job.cancel_requested_by is None:
            wait_seconds = max(wait_seconds, again_in_seconds)
        self._schedule(job_id, job, wait_seconds)

    async def _stop_overdue(self, before: Job) -> None:
        """Have the provider stop a job that has just ended as overdue; the end does not wait."""
        stopped = before.status != "processing" or before.cancel_requested_by is not None
        if stopped or self._closing or self._calls.job(before.job_id) is not None:
            return
        if self._outside.clock() >= before.deadline(self._limits):
            await self._calls.cancel(before)

    async def _step(self, job: Job, place: Place | FairPlace | None) -> float:
        """Take a job one step on; give the seconds until it may be taken again."""
        job_id, now = job.job_id, self._outside.clock()
        overdue = now >= job.deadline(self._limits)
        if overdue and job.status != "submitting":
            await self._calls.tell(job_id, CheckDeadline(now, self._calls.met(job)))
        elif job.status == "pending" and isinstance(place, Place):
            self._submitting.add(job_id)
            await self._calls.submit(job, place)
        elif job.status == "submitting":
            # No step of this worker is submitting it: its worker is gone.
            await self._calls.tell(job_id, RecoverSubmission(now))
        elif job.status == "processing" and job.cancel_requested_by is not None:
            await self._calls.stop(job)
        elif job.status == "processing" and isinstance(place, Place):
            asked_to_wait_seconds = await self._calls.poll(job, place)
            after = self._calls.job(job_id)
            if after is not None and after.status == "processing":
                return max(asked_to_wait_seconds, self._next_poll_seconds(job))
        elif job.status == "downloading" and place is not None:
            return await self._calls.download(job)
        return 0.0


def _seconds_until(moment: datetime, now: datetime) -> float:
    return (moment - now).total_seconds()
