"""The retry budget: torture rows 29 and 30."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retry_budget import SAVED_MAX, RetryBudget, earned, spent, wait_seconds

NOON = 1000.0
EMPTY = RetryBudget(0.0, NOON)


def test_given_a_quiet_provider_ten_retries_may_follow_each_other_and_no_eleventh():
    budget = RetryBudget()
    for _ in range(10):
        assert wait_seconds(budget, 0.0) == 0
        budget = spent(budget, 0.0)
    assert wait_seconds(budget, 0.0) == 10


def test_given_an_empty_budget_five_new_orders_earn_a_retry():
    budget = EMPTY
    for _ in range(5):
        assert wait_seconds(budget, NOON) > 0
        budget = earned(budget, NOON)
    assert wait_seconds(budget, NOON) == 0


def test_given_an_empty_budget_a_retry_comes_after_ten_seconds_without_any_order():
    assert wait_seconds(EMPTY, NOON + 4) == pytest.approx(6)
    assert wait_seconds(EMPTY, NOON + 10) == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans())))
def test_however_eager_the_jobs_are_retries_are_a_fifth_of_orders_and_six_a_minute(story):
    budget, now, orders, retries = RetryBudget(), 0.0, 0, 0
    for gap, is_new in story:
        now += gap
        if is_new:
            budget, orders = earned(budget, now), orders + 1
        elif wait_seconds(budget, now) == 0:
            budget, retries = spent(budget, now), retries + 1
        assert 0 <= budget.saved <= SAVED_MAX
    assert retries <= SAVED_MAX + 0.2 * orders + 0.1 * now + 1e-6
