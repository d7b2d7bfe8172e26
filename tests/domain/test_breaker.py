"""The circuit breaker: S4-87, I38."""

from collections.abc import Callable
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.breaker import (
    RAMP_SECONDS,
    Breaker,
    BreakerLimits,
    abandoned,
    answered,
    called,
    failed,
    wait_seconds,
)

LIMITS = BreakerLimits()
NOON = 1000.0
Step = Callable[[Breaker], Breaker]


def fails(at: float = NOON) -> Step:
    return lambda breaker: failed(breaker, breaker.turn, at, LIMITS)


def answers(at: float = NOON) -> Step:
    return lambda breaker: answered(breaker, breaker.turn, at)


def calls(at: float = NOON) -> Step:
    return lambda breaker: called(breaker, at)


def after(*steps: Step) -> Breaker:
    return reduce(lambda breaker, step: step(breaker), steps, Breaker())


FIVE = (fails(),) * 5
PROBED = (*FIVE, calls(NOON + 60))
BACK = (*PROBED, answers(NOON + 61))


def test_given_four_failures_in_a_row_calls_go_on():
    assert wait_seconds(after(*(fails(),) * 4), NOON) == 0


def test_given_five_failures_in_a_row_no_call_is_made_for_60_seconds():
    breaker = after(*FIVE)
    assert (breaker.state, breaker.failures, breaker.failed_at) == ("open", 5, NOON)
    assert wait_seconds(breaker, NOON + 1) == 59
    assert wait_seconds(breaker, NOON + 60) == 0


def test_given_a_success_among_failures_the_count_begins_again():
    breaker = after(*(fails(),) * 4, answers(), *(fails(),) * 4)
    assert breaker.state == "closed"


def test_given_the_pause_is_over_one_probe_is_sent_and_no_second():
    breaker = after(*PROBED)
    assert breaker.state == "half_open"
    assert wait_seconds(breaker, NOON + 10_000) is None


def test_given_a_probe_that_fails_the_pause_begins_again():
    breaker = after(*PROBED, fails(NOON + 61))
    assert (breaker.state, wait_seconds(breaker, NOON + 62)) == ("open", 59)


def test_given_a_probe_that_is_answered_calls_go_on():
    assert (after(*BACK).state, after(*BACK).failures) == ("closed", 0)


def test_given_a_probe_that_was_never_made_another_may_probe_at_once():
    breaker = after(*PROBED, lambda breaker: abandoned(breaker, breaker.turn, NOON + 61))
    assert wait_seconds(breaker, NOON + 61) == 0
    assert called(breaker, NOON + 61).state == "half_open"


@pytest.mark.parametrize("late", [answered, abandoned])
def test_given_an_answer_to_a_call_of_before_the_outage_the_probe_alone_decides(late):
    breaker = after(*PROBED)
    assert late(breaker, breaker.turn - 2, NOON + 61) == breaker
    assert failed(breaker, breaker.turn - 2, NOON + 61, LIMITS) == breaker


def test_given_a_return_calls_begin_a_second_apart_and_come_closer():
    breaker = called(after(*BACK), NOON + 61)
    assert wait_seconds(breaker, NOON + 61) == 1
    later = called(breaker, NOON + 61 + 30)
    assert wait_seconds(later, NOON + 61 + 30) == pytest.approx(1 / 8)
    free = called(breaker, NOON + 61 + RAMP_SECONDS)
    assert wait_seconds(free, NOON + 61 + RAMP_SECONDS) == 0


OUTCOMES = st.sampled_from(["answered", "failed", "abandoned"])
GAPS = st.floats(0, 100, allow_nan=False)


@given(st.lists(st.tuples(GAPS, OUTCOMES, st.integers(0, 3)), max_size=200))
def test_while_open_the_single_probe_is_the_only_call(story):
    """I38, whatever the order in which calls of any age are answered."""
    breaker, now = Breaker(), 0.0
    under_way: list[int] = []
    for gap, outcome, which in story:
        now += gap
        if breaker.state == "open" and breaker.probe_at is not None and now < breaker.probe_at:
            assert wait_seconds(breaker, now) != 0
        if wait_seconds(breaker, now) == 0:
            breaker = called(breaker, now)
            under_way.append(breaker.turn)
        if breaker.state == "half_open":
            assert under_way.count(breaker.turn) <= 1
        if under_way and which < 3:
            turn = under_way.pop(which % len(under_way))
            if outcome == "failed":
                breaker = failed(breaker, turn, now, LIMITS)
            else:
                rule = answered if outcome == "answered" else abandoned
                breaker = rule(breaker, turn, now)
        assert (breaker.state == "open") == (breaker.probe_at is not None)


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e-3), max_size=300))
def test_calls_in_any_second_of_the_ramp_are_bounded(returned_at, eagerness):
    """Torture row 30: no burst, however eager the callers are."""
    breaker = Breaker(returned_at=returned_at, called_at=returned_at)
    now, begun = returned_at, []
    for delay in eagerness:
        now += (wait_seconds(breaker, now) or 0.0) + delay
        breaker = called(breaker, now)
        begun.append(now - returned_at)
    for at in begun:
        if at < RAMP_SECONDS - 1:
            # Rounding lets a gap be shorter by a millionth.
            within = sum(at <= other < at + 1 - 1e-6 for other in begun)
            assert within <= 2 ** ((at + 1) / 10) + 1
