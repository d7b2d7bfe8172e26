"""Laws of a job over the events of any story, never over the state in between."""

from functools import reduce

from hypothesis import strategies as st

from domain.generation import decide, evolve
from domain.generation_commands import CheckDeadline, RecordSubmissionFault, RecoverSubmission
from domain.generation_state import Limits
from domain.refunds import REFUND_BY_FAILURE
from schemas.base import JobEvent
from schemas.generation import (
    AlertRaised,
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.ledger import CancellationAccepted, CreditsReserved
from tests.domain.examples import AT, MINUTE
from tests.domain.job_stories import LedgerWord, Step, events_of, stories
from tests.domain.laws import whatever

LIMITS = Limits()
ENDS = (GenerationCompleted, GenerationFailed, GenerationCancelled)
Story = list[Step]
# Which events may follow which, as section (c) has it; None is the reservation.
MAY_FOLLOW: dict[type[JobEvent] | None, tuple[type[JobEvent], ...]] = {
    None: (SubmissionIntended, GenerationFailed, GenerationCancelled),
    SubmissionIntended: (
        SubmissionRefused,
        GenerationSubmitted,
        GenerationFailed,
        GenerationCancelled,
    ),
    SubmissionRefused: (SubmissionIntended, GenerationFailed, GenerationCancelled),
    GenerationSubmitted: (
        GenerationPolled,
        DownloadStarted,
        GenerationFailed,
        GenerationCancelled,
    ),
    GenerationPolled: (GenerationPolled, DownloadStarted, GenerationFailed, GenerationCancelled),
    DownloadStarted: ENDS,
    GenerationCompleted: (),
    GenerationFailed: (),
    GenerationCancelled: (),
}


@whatever(story=stories())
def test_events_follow_each_other_only_as_written_and_an_end_is_never_left(story: Story):
    """I20."""
    before: type[JobEvent] | None = None
    for event in events_of(story):
        if isinstance(event, AlertRaised):
            # Said beside the story, but never after its end.
            assert before not in ENDS
            continue
        assert isinstance(event, MAY_FOLLOW[before])
        before = type(event)


@whatever(story=stories())
def test_operators_are_told_once_of_whatever_the_refund_table_says_and_of_nothing_else(
    story: Story,
):
    """S0-82, S0-83: the table alone decides."""
    events = events_of(story)
    told = [event.category for event in events if isinstance(event, AlertRaised)]
    ended = [event.failure.category for event in events if isinstance(event, GenerationFailed)]
    assert len(told) == len(set(told))
    assert all(REFUND_BY_FAILURE[category].alert != "never" for category in told)
    assert all(
        category in told for category in ended if REFUND_BY_FAILURE[category].alert != "never"
    )
    early = set(told) - set(ended)
    assert all(REFUND_BY_FAILURE[category].alert == "at_once" for category in early)


@whatever(story=stories())
def test_a_job_is_submitted_once_and_never_without_an_intent_of_its_own(story: Story):
    """I07, I13, C18: attempts are counted from 1 to 3 and each has one answer at most."""
    intents = 0
    open_intent = False
    submitted = False
    for event in events_of(story):
        match event:
            case SubmissionIntended(attempt=attempt):
                assert not open_intent
                assert not submitted
                intents += 1
                open_intent = True
                assert attempt == intents <= LIMITS.submit_attempts_max
            case SubmissionRefused(attempt=attempt) | GenerationSubmitted(attempt=attempt):
                assert open_intent
                assert attempt == intents
                open_intent = False
                submitted = isinstance(event, GenerationSubmitted)
            case _:
                pass


@whatever(story=stories())
def test_nothing_is_submitted_after_an_attempt_with_an_unknown_outcome(story: Story):
    """C18, I13."""
    unknown = False
    for step in story:
        owed = step.before is not None and step.before.status == "submitting"
        match step.told:
            case RecordSubmissionFault(fault=fault, attempt=attempt):
                answers = owed and step.before is not None and attempt == step.before.attempt
                unknown |= answers and fault.started == "unknown"
            case RecoverSubmission():
                unknown |= owed
            case _:
                pass
        if unknown:
            assert not any(isinstance(event, SubmissionIntended) for event in step.events)
            assert step.after is not None
            assert step.after.ended


@whatever(story=stories())
def test_no_attempt_begins_before_its_wait_is_over(story: Story):
    retry_at = AT
    for event in events_of(story):
        if isinstance(event, SubmissionRefused):
            assert event.retry_at > event.occurred_at
            retry_at = event.retry_at
        elif isinstance(event, SubmissionIntended):
            assert event.occurred_at >= retry_at


@whatever(story=stories())
def test_nothing_is_submitted_after_an_accepted_cancellation(story: Story):
    """I40."""
    cancelled = False
    for step in story:
        cancelled |= isinstance(step.told, CancellationAccepted)
        assert not (cancelled and any(isinstance(e, SubmissionIntended) for e in step.events))


@whatever(story=stories())
def test_a_job_is_cancelled_only_if_someone_asked_and_says_whether_the_provider_was(story: Story):
    """C28: the credits hang on it."""
    asked = submitted = False
    for step in story:
        asked |= isinstance(step.told, CancellationAccepted)
        for event in step.events:
            submitted |= isinstance(event, GenerationSubmitted)
            if isinstance(event, GenerationCancelled):
                assert asked
                assert event.submitted == submitted


@whatever(story=stories())
def test_progress_never_falls_and_nothing_is_said_twice_within_thirty_seconds(story: Story):
    """I41; design.md section 2."""
    last: GenerationPolled | None = None
    positions: list[int] = []
    for event in events_of(story):
        if not isinstance(event, GenerationPolled):
            continue
        positions += [] if event.queue_position is None else [event.queue_position]
        if last is not None:
            # Whether 0 may become unknown has an example of its own.
            assert (event.progress_percent or 0) >= (last.progress_percent or 0)
            changed = (event.provider_state, event.progress_percent, event.queue_position) != (
                last.provider_state,
                last.progress_percent,
                last.queue_position,
            )
            assert changed or event.occurred_at - last.occurred_at >= LIMITS.poll_event_gap
        last = event
    assert positions == sorted(positions, reverse=True)


@whatever(story=stories())
def test_the_time_out_comes_no_sooner_and_nothing_is_bought_or_fetched_later(story: Story):
    """S0-80, C14."""
    deadline = AT + 15 * MINUTE
    for event in events_of(story):
        match event:
            case GenerationFailed(failure=failure) if failure.category == "generation_timeout":
                assert event.occurred_at >= deadline
            case (
                SubmissionIntended() | SubmissionRefused() | GenerationPolled() | DownloadStarted()
            ):
                assert event.occurred_at < deadline
            case _:
                pass


@whatever(story=stories())
def test_a_job_whose_time_is_over_ends_when_it_is_looked_at(story: Story):
    """I19: only an answer that is owed keeps it, and that is recovered or told."""
    job = story[-1].after
    assert job is not None
    if not job.ended:
        command = (
            RecoverSubmission(job.deadline(LIMITS))
            if job.status == "submitting"
            else CheckDeadline(job.deadline(LIMITS))
        )
        assert isinstance(decide(job, command)[-1], GenerationFailed)


@whatever(story=stories())
def test_the_same_command_again_gives_nothing(story: Story):
    """I14."""
    for step in story:
        if not isinstance(step.told, LedgerWord):
            assert decide(step.after, step.told) == ()
        else:
            assert evolve(step.after, step.told) == step.after


@whatever(story=stories(), cut=st.integers(0, 30))
def test_a_job_folded_in_two_parts_is_the_job_folded_at_once(story: Story, cut: int):
    told: list[JobEvent | CreditsReserved | CancellationAccepted] = []
    for step in story:
        told += [step.told] if isinstance(step.told, LedgerWord) else []
        told += step.events
    first_part = reduce(evolve, told[:cut], None)
    assert reduce(evolve, told[cut:], first_part) == story[-1].after


@whatever(story=stories(), other=stories())
def test_evolve_accepts_every_event_in_every_reachable_state(story: Story, other: Story):
    """An event already happened, so none is refused; an end is never left (I20)."""
    for step in story:
        for event in events_of(other):
            after = evolve(step.after, event)
            if step.after is not None and step.after.ended:
                assert after == step.after
            elif isinstance(event, ENDS):
                assert after is not None
                assert after.ended
