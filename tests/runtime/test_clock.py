"""A clock that is put forward or back moves no deadline: torture.md row 12."""

from datetime import UTC, datetime, timedelta

import pytest

from runtime import clock
from runtime.clock import SteadyClock, utc_now

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A machine whose time of day may jump and whose count of seconds does not."""

    def __init__(self) -> None:
        self.now = START
        self.seconds = 5000.0

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_jump_of_the_machines_clock_is_no_time_that_passes(jump):
    machine = Machine()
    steady = SteadyClock(lambda: machine.now, lambda: machine.seconds)
    machine.passes(10)
    machine.now += jump
    machine.passes(20)
    assert steady() == START + timedelta(seconds=30)


def test_no_difference_of_two_readings_is_negative_though_the_clock_goes_back():
    machine = Machine()
    steady = SteadyClock(lambda: machine.now, lambda: machine.seconds)
    before = steady()
    machine.now -= HOUR
    machine.passes(0.001)
    assert steady() > before


def test_the_products_clock_is_steady_and_tells_the_time_of_day(monkeypatch):
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
    before = utc_now()
    monkeypatch.setattr(clock, "datetime", None)  # whoever asked it again would fail
    assert utc_now() >= before


def test_what_a_clock_was_ahead_by_is_taken_off():
    machine = Machine()
    steady = SteadyClock(lambda: machine.now, lambda: machine.seconds)
    machine.passes(10)
    steady.put_back(20 * HOUR)
    assert steady() == START + timedelta(seconds=10) - 20 * HOUR
