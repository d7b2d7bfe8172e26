"""The generation processor: reservations and answers in, job events out. No rules here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from domain.generation import decide, evolve
from domain.generation_commands import CancelJob, GenerationCommand
from domain.generation_state import Job, Limits
from runtime.event_log.program import LaneCompanion, LaneHandle
from runtime.event_log.states import Overlay, PrefixCodec
from schemas.base import JobEvent
from schemas.envelope import Cause, Envelope
from schemas.generation import GenerationCancelled
from schemas.ledger import CancellationAccepted, CreditsReserved
from schemas.topics import GENERATION_EVENTS, GENERATION_STATE, LEDGER_EVENTS

SOURCE = "/tapeworks/generation"
JOB = "job"


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job with the event that led to where it is, the cause of whatever follows."""

    job: Job
    last_event_id: str
    traceparent: str | None = None
    cancellation_event_id: str | None = None

    @property
    def cause(self) -> Cause:
        """The cause of the next event of this job."""
        return Cause(self.last_event_id, self.job.job_id, self.traceparent)


STATE_TYPES: Mapping[str, type] = {JOB: OpenJob}


@dataclass(frozen=True, slots=True)
class JobCommand:
    """A command about one job of this worker."""

    job_id: str
    command: GenerationCommand


def job_key(job_id: str) -> str:
    """Name a job's state record."""
    return f"{JOB}/{job_id}"


def open_job(states: Overlay, job_id: str) -> OpenJob | None:
    """Read one job's state."""
    state = states.get(job_key(job_id))
    assert state is None or isinstance(state, OpenJob)
    return state


class GenerationProgram:
    """The generation processor as its lanes run it."""

    name = "generation"
    inputs = (LEDGER_EVENTS,)
    output = GENERATION_EVENTS
    state = GENERATION_STATE
    codec = PrefixCodec(STATE_TYPES)
    # 128: a job is used for the moment of a step, and then not for seconds or minutes.
    used_states_max = 128

    def __init__(self, limits: Limits, companion_of: Callable[[LaneHandle], LaneCompanion]) -> None:
        self._limits = limits
        self._companion_of = companion_of

    def decide_event(self, envelope: Envelope, states: Overlay) -> Sequence[Envelope]:
        """Open a job that was paid for, or cancel one whose cancellation was accepted."""
        event = envelope.event
        if not isinstance(event, CreditsReserved | CancellationAccepted):
            return ()
        opened = open_job(states, event.job_id)
        job = evolve(opened.job if opened else None, event)
        if job is None:
            return ()
        if opened is None:
            opened = OpenJob(job, envelope.event_id, envelope.traceparent)
        else:
            opened = replace(opened, job=job)
        if isinstance(event, CancellationAccepted):
            opened = replace(opened, cancellation_event_id=envelope.event_id)
        states.put(job_key(event.job_id), opened)
        if isinstance(event, CancellationAccepted):
            return self._decide(opened, CancelJob(event.occurred_at), Cause.of(envelope), states)
        return ()

    def decide_command(self, command: object, states: Overlay) -> Sequence[Envelope]:
        """Answer what this worker's calls and timers learned about a job."""
        assert isinstance(command, JobCommand), f"no rule for {type(command).__name__}"
        opened = open_job(states, command.job_id)
        if opened is None:
            return ()
        return self._decide(opened, command.command, opened.cause, states)

    def companion(self, lane: LaneHandle) -> LaneCompanion:
        """Run the calls and timers of this lane's jobs."""
        return self._companion_of(lane)

    def _decide(
        self, opened: OpenJob, command: GenerationCommand, cause: Cause, states: Overlay
    ) -> Sequence[Envelope]:
        events = decide(opened.job, command, self._limits)
        if not events:
            return ()
        if isinstance(events[0], GenerationCancelled) and opened.cancellation_event_id is not None:
            # Whatever the job waited for meanwhile: it ends because its owner said so (I44).
            cause = replace(cause, event_id=opened.cancellation_event_id)
        envelopes = [cause.envelop(event, index, SOURCE) for index, event in enumerate(events)]
        job = reduce(_evolve_open, events, opened.job)
        after = replace(opened, job=job, last_event_id=envelopes[-1].event_id)
        states.put(job_key(job.job_id), None if job.ended else after)
        return envelopes


def _evolve_open(job: Job, event: JobEvent) -> Job:
    after = evolve(job, event)
    assert after is not None, "an event never makes a job disappear"
    return after
