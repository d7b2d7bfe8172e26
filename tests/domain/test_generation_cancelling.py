"""A job that is cancelled after its submission: its provider is asked first (C28)."""

import pytest

from domain.failures import (
    safety_blocked,
    timed_out,
)
from domain.generation_commands import (
    CancelJob,
    CheckDeadline,
    RecordCancellation,
    RecordOutput,
    RecordPoll,
    RecordRefusal,
)
from schemas.generation import ProviderCancellation
from tests.domain.examples import AT, MINUTE
from tests.domain.job_examples import (
    SOURCE,
    cancelled,
    failed,
    polled,
)
from tests.domain.job_starts import DEADLINE, in_download, processing
from tests.domain.ledger_answers import cancellation_accepted

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
