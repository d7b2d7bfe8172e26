"""Refunds by hand: of a job that kept its price, once, whole, within 30 days (decision 0020)."""

from datetime import timedelta

import pytest

from tests.domain.examples import (
    AT,
    HOUR,
    TICK,
    close_cancelled,
    close_failed,
    refund_by_hand,
    settle,
)
from tests.domain.ledger_answers import (
    first_change,
    granted,
    refund_declined,
    refunded,
    refunded_by_hand,
    reserved,
    settled,
    settled_cancelled,
)
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

given = Spec(Book(), decide, evolve).given
WINDOW = timedelta(days=30)


def one_settled():
    return given(granted(1, 100), reserved(), settled())


@pytest.mark.parametrize("end", [settled(), settled_cancelled()])
def test_a_job_that_kept_its_price_may_be_refunded_by_hand(end):
    given(granted(1, 100), reserved(), end).when(refund_by_hand()).then(refunded_by_hand())


def test_a_refund_by_hand_gives_back_what_was_paid_not_what_it_would_cost_today():
    """S0-29, I08: the job was bought when four seconds cost 17."""
    old = given(
        granted(1, 100), reserved(2, 83, price_credits=17), settled(3, 83, price_credits=17)
    )
    old.when(refund_by_hand()).then(refunded_by_hand(amount_credits=17))


def test_a_running_job_is_not_refunded_by_hand():
    given(granted(1, 100), reserved()).when(refund_by_hand()).then(
        refund_declined(3, 60, "JOB_STILL_ACTIVE")
    )


@pytest.mark.parametrize("end", [refunded(), refunded(failure=None)])
def test_a_job_that_gave_its_price_back_is_not_refunded_again(end):
    """S0-28, I05."""
    given(granted(1, 100), reserved(), end).when(refund_by_hand()).then(
        refund_declined(4, 100, "ALREADY_REFUNDED")
    )


def test_a_job_is_refunded_by_hand_once():
    one_settled().given(refunded_by_hand()).when(refund_by_hand(key="again")).then(
        refund_declined(5, 100, "ALREADY_REFUNDED")
    )


def test_a_repeat_with_the_same_key_is_answered_with_the_first_refund():
    """I12."""
    later = AT + TICK
    one_settled().given(refunded_by_hand()).when(refund_by_hand(at=later)).then(
        refund_declined(5, 100, "IDEMPOTENT_REPLAY", first_change=first_change(40, 100), at=later)
    )
    one_settled().given(refunded_by_hand()).when(refund_by_hand()).then()
    one_settled().given(refunded_by_hand()).when(refund_by_hand(reason="another")).then(
        refund_declined(5, 100, "IDEMPOTENCY_KEY_REUSED")
    )


def test_a_key_refunds_one_job():
    two = one_settled().given(reserved(4, 20, 2), settled(5, 20, 2), refunded_by_hand(6, 60))
    two.when(refund_by_hand(2)).then(refund_declined(7, 60, "IDEMPOTENCY_KEY_REUSED", 2))
    two.when(refund_by_hand(2, key="second")).then(refunded_by_hand(7, 100, 2, key="second"))


def test_a_refusal_leaves_its_key_free():
    running = given(granted(1, 100), reserved(), refund_declined(3, 60, "JOB_STILL_ACTIVE"))
    running.given(settled(4, 60)).when(refund_by_hand()).then(refunded_by_hand(5))


def test_a_job_that_was_never_paid_for_is_not_refunded():
    """I05: no refund without a charge."""
    given(granted(1, 100)).when(refund_by_hand()).then(refund_declined(2, 100, "NOT_REFUNDABLE"))


def test_a_job_may_be_refunded_by_hand_for_30_days():
    last, late = AT + WINDOW - TICK, AT + WINDOW
    one_settled().when(refund_by_hand(at=last)).then(refunded_by_hand(at=last))
    one_settled().when(refund_by_hand(at=late)).then(
        refund_declined(4, 60, "NOT_REFUNDABLE", at=late)
    )


def test_a_job_refunded_by_hand_is_not_refunded_again_after_its_key_is_over():
    later = AT + 72 * HOUR
    one_settled().given(refunded_by_hand()).when(refund_by_hand(at=later)).then(
        refund_declined(5, 100, "ALREADY_REFUNDED", at=later)
    )


@pytest.mark.parametrize("command", [settle(), close_failed(), close_cancelled(submitted=False)])
def test_a_job_refunded_by_hand_stays_as_it_is_however_it_is_said_to_end_again(command):
    """S0-28, I06."""
    one_settled().given(refunded_by_hand()).when(command).then()


def test_evolve_accepts_a_refund_of_a_job_it_does_not_know():
    given(refunded_by_hand(1, 40)).when(refund_by_hand(key="second")).then(
        refund_declined(2, 40, "NOT_REFUNDABLE")
    )
