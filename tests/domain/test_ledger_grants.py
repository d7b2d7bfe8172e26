"""Credits that people give and take by hand."""

import pytest

from tests.domain.examples import (
    AT,
    HOUR,
    TICK,
    adjust,
    adjusted,
    declined,
    grant,
    granted,
    reserve,
    reserved,
)
from tests.domain.ledger_book import Book, decide, evolve
from tests.spec import Spec

given = Spec(Book(), decide, evolve).given


def test_a_grant_adds_to_what_is_there():
    given().when(grant(100)).then(granted(1, 100))
    given(granted(1, 100)).when(grant(1, key="second")).then(granted(2, 101, 1, key="second"))


def test_a_grant_is_made_once_however_often_it_is_asked_for():
    """I14: the same key, whatever the amount."""
    given(granted(1, 100)).when(grant(100)).then()
    given(granted(1, 100)).when(grant(999)).then()


def test_a_grants_key_is_free_again_after_72_hours():
    late, later = AT + 72 * HOUR - TICK, AT + 72 * HOUR
    given(granted(1, 100)).when(grant(at=late)).then()
    given(granted(1, 100)).when(grant(at=later)).then(granted(2, 200, 100, at=later))


@pytest.mark.parametrize("amount", [7, -7, -99])
def test_a_correction_adds_or_takes_what_it_says(amount):
    given(granted(1, 100)).when(adjust(amount)).then(adjusted(2, 100 + amount, amount))


def test_a_correction_may_take_everything_that_is_there():
    given(granted(1, 100)).when(adjust(-100)).then(adjusted(2, 0, -100))


def test_a_correction_takes_no_more_than_is_there_and_says_what_was_asked():
    """I03."""
    given(granted(1, 100)).when(adjust(-101)).then(adjusted(2, 0, -100, -101))
    given().when(adjust(-5)).then(adjusted(1, 0, 0, -5))


def test_a_correction_never_touches_what_a_job_has_reserved():
    given(granted(1, 100), reserved()).when(adjust(-100)).then(adjusted(3, 0, -60, -100))


def test_a_correction_is_made_once():
    given(granted(1, 100), adjusted(2, 93, -7)).when(adjust(-7)).then()


def test_a_key_names_one_grant_or_one_correction_not_both():
    given(granted(1, 100)).when(adjust(-7, key="grant")).then()
    given(granted(1, 100), adjusted(2, 93, -7)).when(grant(5, key="adjust")).then()


def test_a_correction_that_took_nothing_leaves_a_job_unaffordable():
    given(adjusted(1, 0, 0, -5)).when(reserve()).then(
        declined(
            "INSUFFICIENT_CREDITS",
            balance_after=0,
            details={"required": 40, "available": 0, "shortfall": 40},
        )
    )
