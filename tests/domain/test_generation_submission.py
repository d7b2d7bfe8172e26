"""From a reservation to the provider's word that it is at work: asked once or not at all."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from domain.failures import (
    ProviderFault,
    never_mended,
    out_of_reach,
    provider_fault,
    submission_unknown,
    timed_out,
)
from domain.generation import decide, evolve
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
    RecordCancellation,
    RecordSubmission,
    RecordSubmissionFault,
    RecoverSubmission,
)
from domain.generation_state import Limits
from tests.domain.examples import AT, BUSY, LOST, MINUTE, SECOND, TICK
from tests.domain.job_examples import (
    OPERATION,
    alert,
    cancelled,
    failed,
    intended,
    refused,
    submitted,
)
from tests.domain.ledger_answers import cancellation_accepted, reserved
from tests.spec import Spec

given = Spec(None, decide, evolve).given
REJECTED = ProviderFault(kind="rejected", started="no", message="Bad prompt.", status=400)
BROKEN = ProviderFault(kind="permanent", started="no", message="No such model.", status=404)


def test_a_reserved_job_is_put_on_the_tape_before_the_provider_is_asked():
    """I07: nothing is submitted that was not reserved."""
    given(reserved()).when(BeginSubmission(AT)).then(intended())


def test_a_job_that_was_never_reserved_is_never_submitted():
    """I07."""
    given().when(BeginSubmission(AT)).then()


def test_a_job_is_not_submitted_twice_at_once():
    """I13."""
    given(reserved(), intended()).when(BeginSubmission(AT)).then()


def test_a_redelivered_reservation_changes_nothing():
    """I14."""
    given(reserved(), intended(), submitted(), reserved()).when(BeginSubmission(AT)).then()


def test_the_providers_word_is_kept():
    given(reserved(), intended()).when(RecordSubmission(AT, 1, OPERATION)).then(submitted())


def test_a_redelivered_answer_changes_nothing():
    given(reserved(), intended(), submitted()).when(RecordSubmission(AT, 1, OPERATION)).then()


def test_an_answer_to_an_earlier_attempt_changes_nothing():
    start = given(reserved(), intended(1), refused(1), intended(2))
    start.when(RecordSubmission(AT, 1, OPERATION)).then()
    start.when(RecordSubmissionFault(AT, 1, BUSY)).then()
    start.when(RecordSubmission(AT, 2, OPERATION)).then(submitted(2))


# What was surely not started is tried again, within a bound.


@pytest.mark.parametrize(("attempt", "wait_seconds"), [(1, 2), (2, 4)])
def test_a_passing_fault_is_tried_again_after_a_growing_wait(attempt, wait_seconds):
    """C18."""
    given(reserved(), intended(attempt)).when(RecordSubmissionFault(AT, attempt, BUSY)).then(
        refused(attempt, wait_seconds=wait_seconds)
    )


def test_the_third_attempt_is_the_last():
    """S0-30, C18."""
    given(reserved(), intended(3)).when(RecordSubmissionFault(AT, 3, BUSY)).then(
        failed(provider_fault(BUSY), fault=BUSY)
    )


def test_the_next_attempt_waits_for_its_moment():
    start = given(reserved(), intended(), refused(wait_seconds=2))
    start.when(BeginSubmission(AT + 2 * SECOND - TICK)).then()
    start.when(BeginSubmission(AT + 2 * SECOND)).then(intended(2, AT + 2 * SECOND))


def test_the_wait_of_one_attempt_is_over_with_the_next():
    given(reserved(), intended(), refused(wait_seconds=2), intended(2), refused(2, AT, 0)).when(
        BeginSubmission(AT)
    ).then(intended(3))


def test_no_attempt_is_planned_for_a_moment_after_the_deadline():
    start = given(reserved(), intended())
    late = AT + 15 * MINUTE - 2 * SECOND
    start.when(RecordSubmissionFault(late - TICK, 1, BUSY)).then(refused(1, late - TICK))
    start.when(RecordSubmissionFault(late, 1, BUSY)).then(failed(provider_fault(BUSY), late, BUSY))


def test_limits_are_those_in_force():
    limits = Limits(submit_attempts_max=2, submit_retry_wait=timedelta(seconds=5))
    start = Spec(None, partial(decide, limits=limits), evolve).given(reserved())
    start.given(intended()).when(RecordSubmissionFault(AT, 1, BUSY)).then(refused(wait_seconds=5))
    start.given(intended(2)).when(RecordSubmissionFault(AT, 2, BUSY)).then(
        failed(provider_fault(BUSY), fault=BUSY)
    )


def test_a_request_the_provider_refuses_is_not_sent_again():
    """S0-79, I23."""
    given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, REJECTED)).then(
        failed(provider_fault(REJECTED), fault=REJECTED)
    )


def test_a_lasting_fault_is_not_tried_again():
    given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, BROKEN)).then(
        failed(provider_fault(BROKEN), fault=BROKEN)
    )


# What may have been started is never sent again.


@pytest.mark.parametrize("kind", ["rejected", "transient", "permanent"])
def test_a_submission_that_may_have_been_started_is_never_sent_again(kind):
    """C18, I13: one job never buys two clips."""
    fault = replace(LOST, kind=kind)
    given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, fault)).then(
        alert(submission_unknown(fault), message=fault.message),
        failed(submission_unknown(fault), fault=fault),
    )


def test_a_submission_whose_answer_died_with_its_worker_is_never_sent_again():
    """C18, S0-51."""
    given(reserved(), intended()).when(RecoverSubmission(AT)).then(
        alert(submission_unknown(None)), failed(submission_unknown(None))
    )


@pytest.mark.parametrize("events", [(), (intended(), refused()), (intended(), submitted())])
def test_there_is_nothing_to_recover_where_no_answer_is_owed(events):
    given(reserved(), *events).when(RecoverSubmission(AT)).then()


def test_the_providers_words_are_cut_to_what_an_event_holds():
    """S0-42."""
    wordy = replace(BUSY, message="m" * 2001, code="c" * 201)
    given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, wordy)).then(
        refused(reason="m" * 2000)
    )
    wordy_end = replace(wordy, kind="permanent")
    answer = given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, wordy_end))
    answer.then(
        failed(
            provider_fault(replace(wordy_end, code=None)).model_copy(
                update={"details": {"provider_status": 429, "provider_code": "c" * 201}}
            ),
            fault=replace(wordy_end, message="m" * 2000, code="c" * 200),
        )
    )


# The deadline.


def test_a_job_that_waited_fifteen_minutes_for_its_turn_is_over():
    """S0-80, S0-50."""
    deadline = AT + 15 * MINUTE
    start = given(reserved())
    start.when(BeginSubmission(deadline - TICK)).then(intended(at=deadline - TICK))
    start.when(CheckDeadline(deadline - TICK)).then()
    for command in (BeginSubmission(deadline), CheckDeadline(deadline)):
        start.when(command).then(failed(timed_out(15 * MINUTE), deadline))


def test_the_deadline_waits_for_an_answer_that_is_owed():
    """A submit in flight is answered or recovered first; its outcome must not be lost."""
    given(reserved(), intended()).when(CheckDeadline(AT + 16 * MINUTE)).then()
    given(reserved(), intended()).when(RecordSubmission(AT + 16 * MINUTE, 1, OPERATION)).then(
        submitted(at=AT + 16 * MINUTE)
    )


# Cancellation before, at and after the submission.


def test_a_job_cancelled_before_its_submission_is_never_submitted():
    """I40, C28."""
    start = given(reserved(), cancellation_accepted(requested_by="admin"))
    start.when(CancelJob(AT)).then(cancelled(requested_by="admin"))
    start.given(cancelled()).when(BeginSubmission(AT)).then()


def test_a_job_cancelled_between_two_attempts_is_not_submitted_again():
    given(reserved(), intended(), refused(), cancellation_accepted()).when(CancelJob(AT)).then(
        cancelled()
    )


def test_a_place_that_comes_free_for_a_cancelled_job_ends_it_without_a_call():
    """I40: no new outside effect starts after a cancellation."""
    given(reserved(), cancellation_accepted()).when(BeginSubmission(AT)).then(cancelled())


def test_nobody_is_cancelled_unasked():
    given(reserved()).when(CancelJob(AT)).then()


def submitting_cancelled():
    return given(reserved(), intended(), cancellation_accepted())


def test_a_job_cancelled_during_its_submission_waits_for_the_answer():
    submitting_cancelled().when(CancelJob(AT)).then()


def test_a_job_cancelled_during_its_submission_is_followed_until_the_provider_was_told():
    """C28: its operation must be known before it can be stopped."""
    start = submitting_cancelled()
    start.when(RecordSubmission(AT, 1, OPERATION)).then(submitted())
    start.given(submitted()).when(RecordCancellation(AT, "accepted")).then(cancelled("accepted"))


@pytest.mark.parametrize("fault", [BUSY, REJECTED, BROKEN])
def test_a_job_cancelled_during_its_submission_ends_free_when_nothing_was_started(fault):
    submitting_cancelled().when(RecordSubmissionFault(AT, 1, fault)).then(cancelled())


def test_a_job_cancelled_during_a_submission_nobody_knows_of_fails_and_is_given_back():
    submitting_cancelled().when(RecordSubmissionFault(AT, 1, LOST)).then(
        alert(submission_unknown(LOST), message=LOST.message),
        failed(submission_unknown(LOST), fault=LOST),
    )
    submitting_cancelled().when(RecoverSubmission(AT)).then(
        alert(submission_unknown(None)), failed(submission_unknown(None))
    )


def test_a_cancellation_without_its_job_is_nothing():
    given(cancellation_accepted()).when(BeginSubmission(AT)).then()


@pytest.mark.parametrize(
    ("asked_for_seconds", "wait_seconds"), [(0, 2), (1, 2), (7, 7), (60, 60), (3600, 60)]
)
def test_a_provider_that_asks_for_time_is_given_it_within_reason(asked_for_seconds, wait_seconds):
    """Torture row 29: Retry-After of 0, of 1 year, of garbage."""
    asked_for = timedelta(seconds=asked_for_seconds)
    given(reserved(), intended()).when(RecordSubmissionFault(AT, 1, BUSY, asked_for)).then(
        refused(wait_seconds=wait_seconds)
    )


def test_a_job_that_could_not_be_ordered_in_its_time_is_told_that_the_provider_was_away():
    late = AT + 15 * MINUTE
    trouble = out_of_reach("google")
    given(reserved()).when(CheckDeadline(late, trouble)).then(
        failed(never_mended(trouble, late - AT), late)
    )
