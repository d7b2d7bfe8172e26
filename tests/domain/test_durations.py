"""Polls go out when a job is likely enough to have ended, by how long others took (P11)."""

import math
import random
import statistics

from hypothesis import given as whatever
from hypothesis import strategies as st

from domain.durations import KNOWN_FROM, REMEMBERED_MAX, Durations

seconds = st.floats(0.1, 900, allow_nan=False)


def known(*ages: float) -> Durations:
    durations = Durations()
    for age in ages:
        durations.note(age)
    return durations


def polled(durations: Durations, took: float, pace: float) -> tuple[int, float]:
    """Follow one job to its end; give the polls and the seconds until its end was seen."""
    age, polls = 0.0, 1
    while age < took:
        wait = durations.wait_seconds(age)
        age += max(pace if wait is None else wait, pace)
        polls += 1
    durations.note(age)
    return polls, age - took


def test_nothing_is_said_before_enough_is_known():
    assert known(*[60.0] * (KNOWN_FROM - 1)).wait_seconds(0) is None
    assert known(*[60.0] * KNOWN_FROM).wait_seconds(0) is not None


def test_a_job_older_than_all_that_are_known_is_asked_about_at_the_usual_pace():
    durations = known(*[60.0] * KNOWN_FROM)
    assert durations.wait_seconds(59) is not None
    assert durations.wait_seconds(60) is None


def test_the_wait_is_never_longer_than_half_of_the_usual_duration():
    durations = known(*[60.0] * KNOWN_FROM)
    assert durations.wait_seconds(0) == 30


@whatever(st.lists(seconds, min_size=1, max_size=3 * REMEMBERED_MAX), seconds)
def test_a_wait_is_never_negative_and_never_beyond_what_was_seen(ages: list[float], age: float):
    durations = known(*ages)
    wait = durations.wait_seconds(age)
    assert wait is None or 0 <= wait <= max(ages)


def test_it_is_asked_more_closely_the_nearer_an_end_is():
    chance = random.Random(1)  # noqa: S311  repeatable
    durations = known(*(chance.uniform(50, 70) for _ in range(REMEMBERED_MAX)))
    far, near = durations.wait_seconds(0), durations.wait_seconds(55)
    assert far is not None
    assert near is not None
    assert near < 2
    assert far > 20


def test_a_provider_that_becomes_faster_is_noticed_soon():
    chance = random.Random(2)  # noqa: S311  repeatable
    durations = known(*(chance.uniform(90, 110) for _ in range(REMEMBERED_MAX)))
    delays = [polled(durations, chance.uniform(18, 22), pace=0.5)[1] for _ in range(300)]
    assert statistics.median(delays[:10]) > 10
    assert statistics.median(delays[-100:]) < 1


def test_a_spread_of_a_fifth_takes_less_than_a_third_of_polls_every_second_as_soon_P11():
    chance = random.Random(3)  # noqa: S311  repeatable
    durations = Durations()
    jobs = [chance.lognormvariate(math.log(60), 0.2) for _ in range(2000)]
    followed = [polled(durations, took, pace=0.5) for took in jobs]
    every_second = statistics.mean(1 + math.ceil(took) for took in jobs)
    assert statistics.mean(polls for polls, _ in followed) <= 0.3 * every_second
    assert statistics.median(delay for _, delay in followed) < 0.6
