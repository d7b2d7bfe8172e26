"""How a reservation ends: kept or given back, once; and who may cancel when."""

import pytest

from domain.refunds import REFUND_BY_FAILURE
from tests.domain.examples import FAILURE, cancel, close_cancelled, close_failed, reserve, settle
from tests.domain.ledger_answers import (
    cancellation_accepted,
    cancellation_declined,
    granted,
    refunded,
    reserved,
    settled,
    settled_cancelled,
)
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

given = Spec(Book(), decide, evolve).given


def one_active():
    return given(granted(1, 100), reserved())


def test_a_delivered_job_keeps_its_price():
    one_active().when(settle()).then(settled())


@pytest.mark.parametrize("category", sorted(REFUND_BY_FAILURE))
def test_a_failed_job_gives_its_whole_price_back_whatever_went_wrong(category):
    """S0-26, S0-79 to S0-83, I05."""
    failure = FAILURE.model_copy(update={"category": category})
    one_active().when(close_failed(failure=failure)).then(refunded(failure=failure))


def test_a_refund_is_what_was_charged_not_what_it_would_cost_today():
    """S0-25, S0-29: the job was bought when four seconds cost 17."""
    old = reserved(2, 83, price_credits=17)
    given(granted(1, 100), old).when(close_failed()).then(refunded(amount_credits=17))
    given(granted(1, 100), old).when(settle()).then(settled(3, 83, price_credits=17))


def test_a_refund_joins_what_was_granted_meanwhile():
    one_active().given(granted(3, 65, 5, key="more")).when(close_failed()).then(refunded(4, 105))


def test_a_cancelled_job_that_was_never_submitted_gives_its_price_back():
    """C28."""
    one_active().when(close_cancelled(submitted=False)).then(refunded(failure=None))


def test_a_cancelled_job_that_was_submitted_keeps_its_price():
    """C28: the provider bills us all the same."""
    one_active().when(close_cancelled(submitted=True)).then(settled_cancelled())


@pytest.mark.parametrize("end", [settled(), refunded(), refunded(failure=None)])
@pytest.mark.parametrize(
    "command",
    [settle(), close_failed(), close_cancelled(submitted=True), close_cancelled(submitted=False)],
)
def test_a_job_that_ended_stays_as_it_is_however_it_is_said_to_end_again(end, command):
    """S0-28, I05, I06, I20: a late success is not paid for, a late failure is not given back."""
    one_active().given(end).when(command).then()


def test_a_job_that_was_never_reserved_gives_nothing_back():
    """I05: no refund without a charge."""
    given(granted(1, 100)).when(close_failed()).then()


def test_the_end_of_one_job_leaves_the_others_paid_for():
    one_active().given(reserved(3, 20, 2), refunded(4, 60, 1)).when(close_failed(2)).then(
        refunded(5, 100, 2)
    )


# Cancellation.


def test_an_active_job_may_be_cancelled():
    one_active().when(cancel(requested_by="admin")).then(
        cancellation_accepted(requested_by="admin")
    )


def test_a_job_is_cancelled_once():
    one_active().given(cancellation_accepted()).when(cancel()).then(
        cancellation_declined(4, 60, "ALREADY_REQUESTED")
    )


@pytest.mark.parametrize("end", [settled(), refunded()])
def test_a_job_that_ended_cannot_be_cancelled(end):
    one_active().given(end).when(cancel()).then(
        cancellation_declined(4, end.balance_after, "JOB_NOT_ACTIVE")
    )


def test_a_job_that_was_never_reserved_cannot_be_cancelled():
    given(granted(1, 100)).when(cancel()).then(cancellation_declined(2, 100, "JOB_NOT_ACTIVE"))


def test_a_cancellation_accepted_gives_nothing_back_before_the_job_has_ended():
    one_active().given(cancellation_accepted()).when(close_cancelled(submitted=False)).then(
        refunded(4, 100, failure=None)
    )


def test_a_job_may_be_delivered_although_its_cancellation_was_accepted():
    one_active().given(cancellation_accepted()).when(settle()).then(settled(4, 60))


def test_a_cancellation_in_progress_still_counts_as_an_active_job():
    start = given(granted(1, 1000), reserved(2, 960, 1), reserved(3, 920, 2), reserved(4, 880, 3))
    answer = start.given(cancellation_accepted(5, 880, 1)).when(reserve(4))
    assert [getattr(event, "code", None) for event in answer.events] == ["TOO_MANY_ACTIVE_JOBS"]


def test_evolve_accepts_a_cancellation_of_a_job_it_does_not_know():
    given(cancellation_accepted(1, 0)).when(cancel()).then(
        cancellation_declined(2, 0, "JOB_NOT_ACTIVE")
    )
