from datetime import UTC, datetime, timedelta

import pytest

from domain.durations import KNOWN_FROM, Durations
from providers.protocol import PollPlan

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def plan(jobs: int, interval_seconds: float = 2.0) -> PollPlan:
    durations = Durations()
    for _ in range(jobs):
        durations.note(60.0)
    return PollPlan(interval_seconds, 10.0, durations)


def test_a_job_of_a_kind_that_is_known_is_asked_about_when_it_may_have_ended():
    """P11: jobs of this kind take a minute, of which half is the longest wait."""
    assert plan(KNOWN_FROM).next_poll_in_seconds(AT, AT) == pytest.approx(30.0)


def test_a_job_of_a_kind_that_is_not_known_is_asked_about_at_the_usual_pace():
    """C10."""
    assert plan(KNOWN_FROM - 1).next_poll_in_seconds(AT, AT) == 2.0


def test_no_job_is_asked_about_sooner_than_its_provider_allows():
    at = AT + timedelta(seconds=59.9)
    assert plan(KNOWN_FROM, interval_seconds=2.0).next_poll_in_seconds(AT, at) == 2.0
