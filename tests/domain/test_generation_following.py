"""From the provider's first word to the end: polled, downloaded, ended once."""

from dataclasses import replace
from functools import partial

import pytest

from domain.failures import (
    ProviderFault,
    Trouble,
    download_failed,
    never_mended,
    poll_trouble,
    provider_fault,
    safety_blocked,
    storage_failed,
    system_trouble,
    timed_out,
)
from domain.generation import decide, evolve
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
    RecordCancellation,
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
from domain.generation_state import Limits
from schemas.base import Detail
from schemas.failure import Failure
from schemas.generation import ProviderCancellation
from tests.domain.examples import (
    AT,
    BUSY,
    MEDIA,
    MINUTE,
    SECOND,
    TICK,
    cancellation_accepted,
    reserved,
    settled,
    video,
)
from tests.domain.job_examples import (
    OPERATION,
    SOURCE,
    alert,
    cancelled,
    completed,
    downloading,
    failed,
    intended,
    polled,
    submitted,
)
from tests.spec import Spec

given = Spec(None, decide, evolve).given
DEADLINE = AT + 15 * MINUTE
GONE = ProviderFault(kind="permanent", started="unknown", message="Unknown operation.", status=404)


def provider_misconfigured(reason: str, **details: Detail) -> Failure:
    trouble = Trouble("provider_setup", "poll", reason=reason, message="")
    failure = never_mended(trouble, 0 * MINUTE)
    return failure.model_copy(update={"details": {"reason": reason, **details}})


def system_error(reason: str, **details: Detail) -> Failure:
    trouble = Trouble("system_error", "poll", reason=reason, message="")
    failure = never_mended(trouble, 0 * MINUTE)
    return failure.model_copy(update={"details": {"reason": reason, **details}})


FULL_STORE = storage_failed("quota", "quota: disk full", 1, lasting=True)
LATE_DOWNLOAD = download_failed("it took longer than its limit")


def processing():
    return given(reserved(), intended(), submitted())


def in_download():
    return processing().given(downloading())


# Polls.


@pytest.mark.parametrize("progress", [None, 0, 7, 100])
def test_the_first_poll_is_written(progress):
    processing().when(RecordPoll(AT, "queued", progress)).then(polled(progress, state="queued"))


def test_a_change_of_the_providers_state_is_written_at_once():
    processing().given(polled(state="queued")).when(RecordPoll(AT, "running")).then(polled())


def test_a_change_of_progress_is_written_at_once():
    processing().given(polled(7)).when(RecordPoll(AT, "running", 8)).then(polled(8))
    processing().given(polled()).when(RecordPoll(AT, "running", 0)).then(polled(0))


@pytest.mark.parametrize("progress", [None, 0, 7])
def test_an_unchanged_poll_is_written_every_thirty_seconds_at_most(progress):
    """S0-45; design.md section 2."""
    start = processing().given(polled(progress))
    early, due = AT + 30 * SECOND - SECOND / 10, AT + 30 * SECOND
    start.when(RecordPoll(early, "running", progress)).then()
    start.when(RecordPoll(due, "running", progress)).then(polled(progress, due))


def test_the_thirty_seconds_count_from_the_last_poll_written():
    start = processing().given(polled(7), polled(7, AT + 30 * SECOND))
    start.when(RecordPoll(AT + 59 * SECOND, "running", 7)).then()
    start.when(RecordPoll(AT + 60 * SECOND, "running", 7)).then(polled(7, AT + 60 * SECOND))


@pytest.mark.parametrize("progress", [None, 0, 49])
def test_a_provider_that_goes_back_is_shown_where_it_was(progress):
    """I41."""
    start = processing().given(polled(50))
    start.when(RecordPoll(AT, "running", progress)).then()
    due = AT + 30 * SECOND
    start.when(RecordPoll(due, "running", progress)).then(polled(50, due))


def test_a_provider_that_stops_telling_is_shown_where_it_was_even_at_zero():
    """I41: 0 percent does not become unknown again."""
    processing().given(polled(0)).when(RecordPoll(AT, "running", None)).then()


def test_a_move_in_the_providers_queue_is_written_at_once():
    start = processing().given(polled(state="queued", position=3))
    start.when(RecordPoll(AT, "queued", None, 3)).then()
    start.when(RecordPoll(AT, "queued", None, 2)).then(polled(state="queued", position=2))
    start.when(RecordPoll(AT, "queued", None, 0)).then(polled(state="queued", position=0))


@pytest.mark.parametrize("position", [None, 2, 9])
def test_a_job_that_falls_back_in_the_queue_is_shown_where_it_was(position):
    start = processing().given(polled(state="queued", position=1))
    start.when(RecordPoll(AT, "queued", None, position)).then()
    due = AT + 30 * SECOND
    start.when(RecordPoll(due, "queued", None, position)).then(
        polled(at=due, state="queued", position=1)
    )


def test_work_that_runs_has_no_place_in_the_queue():
    start = processing().given(polled(state="queued", position=1))
    start.when(RecordPoll(AT, "running", None, 1)).then(polled())
    start.given(polled()).when(RecordPoll(AT, "running", None, 0)).then()
    back = start.given(polled()).when(RecordPoll(AT, "queued", None, 2))
    back.then(polled(state="queued", position=1))


def test_the_gap_between_polls_is_the_one_in_force():
    limits = Limits(poll_event_gap=SECOND)
    start = Spec(None, partial(decide, limits=limits), evolve).given(
        reserved(), intended(), submitted(), polled()
    )
    start.when(RecordPoll(AT + SECOND, "running")).then(polled(at=AT + SECOND))


# The deadline of fifteen minutes.


def test_a_job_that_is_polled_at_its_deadline_has_timed_out():
    """S0-80, S0-50, I19."""
    before = DEADLINE - TICK
    processing().when(RecordPoll(before, "running")).then(polled(at=before))
    processing().when(RecordPoll(DEADLINE, "running")).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )


def test_a_job_that_is_never_polled_times_out_all_the_same():
    """S0-50, I19."""
    processing().when(CheckDeadline(DEADLINE - TICK)).then()
    processing().when(CheckDeadline(DEADLINE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_the_time_out_says_how_long_the_job_really_took():
    """S0-87."""
    late = AT + 15 * MINUTE + 12 * SECOND
    processing().when(CheckDeadline(late)).then(failed(timed_out(late - AT), late))


def test_a_success_at_the_last_moment_is_a_success():
    before = DEADLINE - TICK
    processing().when(RecordOutput(before, SOURCE)).then(downloading(before))


def test_a_success_that_comes_too_late_is_not_delivered():
    """C14, I06."""
    processing().when(RecordOutput(DEADLINE, SOURCE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_a_success_after_the_time_out_changes_nothing():
    """C14, I06, I20."""
    timed = processing().given(failed(timed_out(15 * MINUTE), DEADLINE))
    timed.when(RecordOutput(DEADLINE, SOURCE)).then()
    timed.when(RecordMedia(DEADLINE, MEDIA)).then()


def test_the_limit_is_the_one_in_force():
    """S0-102."""
    limits = Limits(generation_timeout=MINUTE)
    start = Spec(None, partial(decide, limits=limits), evolve).given(
        reserved(), intended(), submitted()
    )
    start.when(CheckDeadline(AT + MINUTE)).then(failed(timed_out(MINUTE), AT + MINUTE))


# What the provider says at the end.


def test_a_refusal_ends_the_job_with_the_filters_reasons():
    """S0-79, S0-86, I23."""
    processing().when(RecordRefusal(AT, ("violence",))).then(failed(safety_blocked(("violence",))))


def test_a_job_the_provider_lost_or_failed_ends():
    processing().when(RecordPollFault(AT, GONE)).then(failed(provider_fault(GONE), fault=GONE))


def test_a_finished_job_is_downloaded_before_it_counts_as_done():
    """S0-54, S0-66, I21."""
    processing().when(RecordOutput(AT, SOURCE)).then(downloading())
    named = RecordOutput(AT, SOURCE, "video_8f2c")
    processing().when(named).then(downloading(video_id="video_8f2c"))


# The download.


@pytest.mark.parametrize(("seconds", "cost"), [(4, 1_600_000), (6, 2_400_000), (8, 3_200_000)])
def test_a_stored_file_completes_the_job_and_says_what_it_cost_us(seconds, cost):
    """S0-64, I37."""
    start = given(reserved(settings=video(seconds)), intended(), submitted(), downloading())
    start.when(RecordMedia(AT, MEDIA)).then(
        completed().model_copy(update={"cost_micro_dollars": cost})
    )


def test_a_file_that_cannot_be_fetched_fails_the_job():
    """S0-65, S0-81."""
    failure = download_failed("HTTP 404", 3)
    in_download().when(RecordMediaFailure(AT, failure)).then(failed(failure))


def test_a_store_that_takes_no_file_fails_the_job_and_operators_are_told_before_it_ends():
    """S0-82."""
    in_download().when(RecordMediaFailure(AT, FULL_STORE)).then(
        alert(FULL_STORE, phase="store", message="quota: disk full"), failed(FULL_STORE)
    )


# What stands in the way of a job that goes on.

KEY_REFUSED = poll_trouble(
    ProviderFault(
        kind="transient", started="unknown", message="No user.", status=401, code="E", lacks="key"
    )
)
BROKEN_STEP = system_trouble("poll", KeyError("state"))
TOLD_KEY = alert(
    provider_misconfigured("key", provider_status=401, provider_code="E"),
    phase="poll",
    message="No user.",
    ends_job=False,
)
TOLD_STEP = alert(
    system_error("KeyError"), phase="poll", message="KeyError: 'state'", ends_job=False
)


@pytest.mark.parametrize(("trouble", "told"), [(KEY_REFUSED, TOLD_KEY), (BROKEN_STEP, TOLD_STEP)])
def test_operators_are_told_at_once_and_once_while_the_job_goes_on(trouble, told):
    """S0-83, S0-44: log, alert and retry."""
    start = processing()
    start.when(RecordTrouble(AT, trouble)).then(told)
    start.given(told).when(RecordTrouble(AT + SECOND, trouble)).then()
    start.given(told).when(RecordOutput(AT, SOURCE)).then(downloading())


@pytest.mark.parametrize("lacks", [None, "quota"])
def test_a_poll_that_is_put_off_for_a_moment_alerts_nobody(lacks):
    """S0-48."""
    busy = poll_trouble(replace(BUSY, lacks=lacks))
    processing().when(RecordTrouble(AT, busy)).then()


def test_a_job_whose_trouble_outlasts_it_fails_by_the_trouble_and_alerts_nobody_twice():
    """S0-83: what stood in the way to the last is what it failed by, not its age."""
    start = processing().given(TOLD_KEY)
    start.when(CheckDeadline(DEADLINE)).then(
        failed(never_mended(KEY_REFUSED, 15 * MINUTE), DEADLINE)
    )
    start = in_download().given(alert(system_error("KeyError"), phase="download", ends_job=False))
    start.when(CheckDeadline(AT + 10 * MINUTE)).then(
        failed(system_error("KeyError", duration_minutes=10.0), AT + 10 * MINUTE)
    )


def test_a_job_that_could_not_be_asked_for_to_the_last_for_want_of_quota_fails_by_that():
    """S0-79: an operator is told; a poll that failed for a moment is a matter of time alone."""
    quota = poll_trouble(replace(BUSY, lacks="quota"))
    failure = never_mended(quota, 15 * MINUTE)
    processing().when(CheckDeadline(DEADLINE, quota)).then(
        alert(failure, DEADLINE, "poll"), failed(failure, DEADLINE)
    )
    processing().when(CheckDeadline(DEADLINE, poll_trouble(BUSY))).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )


def test_a_trouble_that_is_over_is_forgotten():
    """S0-44: a new key finds the job where it was."""
    start = processing().given(polled(), TOLD_KEY)
    start.when(RecordPoll(AT + SECOND, "running")).then(polled(at=AT + SECOND))
    start.given(polled(at=AT + SECOND)).when(CheckDeadline(DEADLINE)).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )
    start.given(downloading()).when(CheckDeadline(AT + 10 * MINUTE)).then(
        failed(LATE_DOWNLOAD, AT + 10 * MINUTE)
    )


def test_operators_are_told_again_of_another_trouble_but_never_of_one_twice():
    both = processing().given(TOLD_KEY, TOLD_STEP)
    both.when(RecordTrouble(AT, KEY_REFUSED)).then()
    both.when(RecordTrouble(AT, BROKEN_STEP)).then()


def test_the_fifteen_minutes_do_not_count_for_the_download():
    """Section (c): the 15 min clock is about generation."""
    start = processing().given(downloading(DEADLINE - TICK))
    start.when(CheckDeadline(DEADLINE)).then()
    start.when(RecordMedia(DEADLINE, MEDIA)).then(completed(DEADLINE))


def test_a_download_has_ten_minutes_of_its_own():
    """S0-57, I19: never stuck."""
    start, limit = in_download(), AT + 10 * MINUTE
    start.when(CheckDeadline(limit - TICK)).then()
    start.when(CheckDeadline(limit)).then(failed(LATE_DOWNLOAD, limit))


# Cancellation.


ANSWERS: tuple[ProviderCancellation, ...] = ("accepted", "too_late", "not_offered", "unreachable")


def cancelling():
    return processing().given(cancellation_accepted(requested_by="admin"))


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_job_cancelled_after_its_submission_ends_with_the_providers_answer(answer):
    """C28, S1-24."""
    cancelling().when(CancelJob(AT)).then()
    cancelling().when(RecordCancellation(AT, answer)).then(cancelled(answer, requested_by="admin"))


def test_an_answer_to_a_cancellation_nobody_asked_for_ends_nothing():
    processing().when(RecordCancellation(AT, "accepted")).then()


def test_a_job_cancelled_while_it_is_downloaded_ends_at_once():
    """There is nothing left for the provider to stop."""
    in_download().when(CancelJob(AT)).then()
    in_download().given(cancellation_accepted(requested_by="admin")).when(CancelJob(AT)).then(
        cancelled("too_late", requested_by="admin")
    )


def test_output_that_comes_before_the_answer_to_the_cancellation_is_not_fetched():
    """I40."""
    cancelling().when(RecordOutput(AT, SOURCE)).then(cancelled("too_late", requested_by="admin"))
    cancelling().when(RecordOutput(DEADLINE, SOURCE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_a_cancelled_job_that_fails_or_is_overdue_first_ends_so():
    cancelling().when(RecordRefusal(AT, ("violence",))).then(failed(safety_blocked(("violence",))))
    cancelling().when(CheckDeadline(DEADLINE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_a_cancelled_job_is_followed_until_the_provider_has_answered():
    cancelling().when(RecordPoll(AT, "running", 50)).then(polled(50))


# A refusal, with what the provider says of it.


def test_a_refusal_names_the_filters_category_and_confidence_where_the_provider_does():
    """S0-86."""
    refusal = RecordRefusal(AT, ("blood",), "violence", 0.93)
    failure = safety_blocked(("blood",), "violence", 0.93)
    assert failure.details == {"category": "violence", "confidence": 0.93, "reasons": ("blood",)}
    assert "violence" in failure.suggested_action
    processing().when(refusal).then(failed(failure))


# What comes twice, too late or out of place.

EVERY_COMMAND = (
    BeginSubmission(AT),
    RecordSubmission(AT, 1, OPERATION),
    RecordSubmissionFault(AT, 1, BUSY),
    RecoverSubmission(AT),
    RecordPoll(AT, "running", 50),
    RecordOutput(AT, SOURCE),
    RecordRefusal(AT, ("violence",)),
    RecordPollFault(AT, GONE),
    RecordMedia(AT, MEDIA),
    RecordMediaFailure(AT, FULL_STORE),
    RecordTrouble(AT, BROKEN_STEP),
    CheckDeadline(AT + 60 * MINUTE),
    CancelJob(AT),
    RecordCancellation(AT, "accepted"),
)
ENDS = (
    completed(),
    failed(FULL_STORE),
    cancelled("accepted"),
)


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("end", ENDS)
def test_an_end_is_never_left(end, command):
    """I14, I20."""
    ended = in_download().given(cancellation_accepted(), end)
    ended.when(command).then()
    for event in (intended(2), submitted(2), polled(), downloading(), *ENDS):
        ended.given(event).when(command).then()


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_nothing_can_happen_to_a_job_that_was_never_reserved(command):
    given().when(command).then()


@pytest.mark.parametrize(
    ("start", "understood"),
    [
        (given(reserved()), (BeginSubmission, CheckDeadline)),
        (
            given(reserved(), intended()),
            (RecordSubmission, RecordSubmissionFault, RecoverSubmission),
        ),
        (
            processing(),
            (
                RecordPoll,
                RecordOutput,
                RecordRefusal,
                RecordPollFault,
                RecordTrouble,
                CheckDeadline,
            ),
        ),
        (in_download(), (RecordMedia, RecordMediaFailure, RecordTrouble, CheckDeadline)),
    ],
)
def test_a_command_out_of_place_is_answered_with_silence(start, understood):
    """I14."""
    for command in EVERY_COMMAND:
        answered = bool(start.when(command).events)
        assert answered == isinstance(command, understood), command


def test_an_event_of_another_kind_leaves_a_job_as_it_is():
    assert evolve(processing().state, settled()) == processing().state  # type: ignore[arg-type]  # total


def test_a_status_nobody_knows_is_a_bug():
    job = processing().state
    assert job is not None
    with pytest.raises(AssertionError, match="no rule for a job that is lost"):
        decide(replace(job, status="lost"), BeginSubmission(AT))
