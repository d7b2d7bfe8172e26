"""Credits that people give and take by hand."""

import pytest

from tests.domain.examples import AT, HOUR, TICK, adjust, grant
from tests.domain.ledger_answers import adjusted, change_declined, first_change, granted, reserved
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

LATER = AT + TICK
given = Spec(Book(), decide, evolve).given


def test_a_grant_adds_to_what_is_there():
    given().when(grant(100)).then(granted(1, 100))
    given(granted(1, 100)).when(grant(1, key="second")).then(granted(2, 101, 1, key="second"))


def test_a_grant_asked_for_again_is_answered_with_what_the_first_one_came_to():
    """I12, I14: whatever has happened to the balance meanwhile."""
    first = first_change(100, 100)
    given(granted(1, 100)).when(grant(100, at=LATER)).then(
        change_declined(2, 100, "IDEMPOTENT_REPLAY", first_change=first, at=LATER)
    )
    given(granted(1, 100), reserved()).when(grant(100, at=LATER)).then(
        change_declined(3, 60, "IDEMPOTENT_REPLAY", first_change=first, at=LATER)
    )


def test_a_request_by_hand_that_is_delivered_twice_leads_to_nothing():
    """I14: the very same, to its moment."""
    given(granted(1, 100)).when(grant(100)).then()
    given(granted(1, 100), adjusted(2, 93, -7)).when(adjust(-7)).then()


def test_a_grants_key_with_another_body_is_refused():
    """S2-20."""
    given(granted(1, 100)).when(grant(999)).then(change_declined(2, 100, "IDEMPOTENCY_KEY_REUSED"))


def test_a_grants_key_is_free_again_after_72_hours():
    late, later = AT + 72 * HOUR - TICK, AT + 72 * HOUR
    given(granted(1, 100)).when(grant(at=late)).then(
        change_declined(2, 100, "IDEMPOTENT_REPLAY", first_change=first_change(100, 100), at=late)
    )
    given(granted(1, 100)).when(grant(at=later)).then(granted(2, 200, 100, at=later))


@pytest.mark.parametrize("amount", [7, -7, -99])
def test_a_correction_adds_or_takes_what_it_says(amount):
    given(granted(1, 100)).when(adjust(amount)).then(adjusted(2, 100 + amount, amount))


def test_a_correction_may_take_everything_that_is_there():
    given(granted(1, 100)).when(adjust(-100)).then(adjusted(2, 0, -100))


def test_a_correction_that_would_go_below_zero_takes_nothing_and_says_what_is_missing():
    """I03."""
    short = {"requested": -101, "available": 100, "shortfall": 1}
    given(granted(1, 100)).when(adjust(-101)).then(
        change_declined(2, 100, "BALANCE_TOO_LOW", details={**short})
    )
    short = {"requested": -5, "available": 0, "shortfall": 5}
    given().when(adjust(-5)).then(change_declined(1, 0, "BALANCE_TOO_LOW", details={**short}))


def test_a_correction_never_touches_what_a_job_has_reserved():
    short = {"requested": -61, "available": 60, "shortfall": 1}
    one_active = given(granted(1, 100), reserved())
    one_active.when(adjust(-61)).then(change_declined(3, 60, "BALANCE_TOO_LOW", details={**short}))
    one_active.when(adjust(-60)).then(adjusted(3, 0, -60))


def test_a_correction_that_was_refused_leaves_its_key_free():
    refused = change_declined(1, 0, "BALANCE_TOO_LOW")
    given(refused, granted(2, 100)).when(adjust(-5)).then(adjusted(3, 95, -5))


def test_a_correction_is_made_once():
    given(granted(1, 100), adjusted(2, 93, -7)).when(adjust(-7, at=LATER)).then(
        change_declined(3, 93, "IDEMPOTENT_REPLAY", first_change=first_change(-7, 93), at=LATER)
    )
    given(granted(1, 100), adjusted(2, 93, -7)).when(adjust(-8)).then(
        change_declined(3, 93, "IDEMPOTENCY_KEY_REUSED")
    )


def test_a_key_names_one_grant_or_one_correction_not_both():
    """Even of the same amount and for the same reason."""
    given(granted(1, 100)).when(adjust(100, key="grant", reason="bought")).then(
        change_declined(2, 100, "IDEMPOTENCY_KEY_REUSED")
    )
    given(granted(1, 100), adjusted(2, 93, -7)).when(grant(5, key="adjust")).then(
        change_declined(3, 93, "IDEMPOTENCY_KEY_REUSED")
    )
