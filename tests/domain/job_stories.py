"""Random stories of one job, told as its processor would: any command, any time, any order."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce

from hypothesis import strategies as st

from domain.failures import download_failed, poll_trouble, storage_failed, system_trouble
from domain.generation import decide, evolve
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
    GenerationCommand,
    RecordMedia,
    RecordMediaFailure,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordRefusal,
    RecordSubmission,
    RecordSubmissionFault,
    RecordTrouble,
    RecoverSubmission,
)
from domain.generation_state import Job
from schemas.base import JobEvent
from schemas.ledger import CancellationAccepted, CreditsReserved
from tests.domain.examples import AT, BUSY, MEDIA, MINUTE, SECOND
from tests.domain.job_examples import OPERATION, SOURCE
from tests.domain.ledger_answers import cancellation_accepted, reserved

LedgerWord = CreditsReserved | CancellationAccepted
_WAITS = st.sampled_from(
    (0 * SECOND, SECOND, 2 * SECOND, 29.9 * SECOND, 30 * SECOND, MINUTE, 7 * MINUTE)
)
_FAULTS = st.builds(
    replace,
    st.just(BUSY),
    kind=st.sampled_from(("transient", "transient", "rejected", "permanent")),
    started=st.sampled_from(("no", "no", "no", "unknown")),
    lacks=st.sampled_from((None, None, "quota", "key")),
)
_MEDIA_FAILURES = st.sampled_from(
    (download_failed("HTTP 404", 3), storage_failed("quota", "full", 1, lasting=True))
)
_TROUBLES = st.builds(poll_trouble, _FAULTS) | st.just(system_trouble("poll", KeyError("done")))
_STATES = st.sampled_from(("queued", "running"))
_PROGRESS = st.none() | st.sampled_from((0, 0, 1, 50, 99, 100))
_POSITIONS = st.none() | st.integers(0, 3)


@dataclass(frozen=True, slots=True)
class Step:
    """What the job was told, the events it led to, and the job before and after."""

    told: GenerationCommand | LedgerWord
    events: tuple[JobEvent, ...]
    before: Job | None
    after: Job | None


def _step(before: Job | None, command: GenerationCommand) -> Step:
    events = decide(before, command)
    return Step(command, events, before, reduce(evolve, events, before))


def told(job: Job | None, word: LedgerWord | GenerationCommand) -> list[Step]:
    """Tell a job something; an accepted cancellation is followed by its own command at once."""
    if not isinstance(word, LedgerWord):
        return [_step(job, word)]
    heard = Step(word, (), job, evolve(job, word))
    if isinstance(word, CreditsReserved):
        return [heard]
    return [heard, _step(heard.after, CancelJob(word.occurred_at))]


_LIKELY: dict[str, tuple[str, ...]] = {
    "pending": ("begin",),
    "submitting": ("accepted", "accepted", "fault"),
    "processing": ("poll", "poll", "poll", "output"),
    "downloading": ("media", "deadline"),
}


def _word(draw: st.DrawFn, job: Job | None, at: datetime) -> LedgerWord | GenerationCommand:
    """Draw what fits the job's status more often than what does not."""
    attempt = job.attempt if job else 1
    words: dict[str, Callable[[], LedgerWord | GenerationCommand]] = {
        "begin": lambda: BeginSubmission(at),
        "accepted": lambda: RecordSubmission(at, attempt, OPERATION),
        "accepted before": lambda: RecordSubmission(at, attempt - 1, OPERATION),
        "fault": lambda: RecordSubmissionFault(at, attempt, draw(_FAULTS)),
        "fault before": lambda: RecordSubmissionFault(at, attempt - 1, draw(_FAULTS)),
        "recover": lambda: RecoverSubmission(at),
        "poll": lambda: RecordPoll(at, draw(_STATES), draw(_PROGRESS), draw(_POSITIONS)),
        "output": lambda: RecordOutput(at, SOURCE),
        "refusal": lambda: RecordRefusal(at, ("violence",)),
        "poll fault": lambda: RecordPollFault(at, draw(_FAULTS)),
        "media": lambda: RecordMedia(at, MEDIA),
        "media failure": lambda: RecordMediaFailure(at, draw(_MEDIA_FAILURES)),
        "trouble": lambda: RecordTrouble(at, draw(_TROUBLES)),
        "deadline": lambda: CheckDeadline(at),
        "cancel unasked": lambda: CancelJob(at),
        "cancel": lambda: cancellation_accepted(at=at),
        "reserve": lambda: reserved(at=at),
    }
    likely = _LIKELY.get(job.status, ()) if job else ()
    return words[draw(st.sampled_from((*likely * 6, *words)))]()


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """A job's whole story, at times that never go back."""
    steps = told(None, reserved())
    at = AT
    for _ in range(draw(st.integers(1, 20))):
        at += draw(_WAITS)
        job = steps[-1].after
        word = _word(draw, job, at)
        steps += told(job, word)
        if draw(st.integers(0, 9)) == 0:
            steps += told(steps[-1].after, word)
    return steps


def events_of(story: list[Step]) -> list[JobEvent]:
    return [event for step in story for event in step.events]
