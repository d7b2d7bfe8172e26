"""The one place that reads a clock, so that a test can pass its own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
# Where there is one, a clock that counts the time a machine was suspended, too (Linux).
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_seconds() -> float:
    """Give a count of seconds that goes on through a suspension, and that no clock jump moves."""
    return time.clock_gettime(_STEADY)


class SteadyClock:
    """The time of day as it was when this was made, moved on by seconds that never jump.

    Deadlines and lifetimes are differences of such times: a clock that an operator or NTP puts
    forward or back by an hour ends no job early and none late. What a machine's clock is wrong by
    from the start is taken off once (`runtime/broker_clock.py`).
    """

    def __init__(
        self,
        now: Clock = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = steady_seconds,
    ) -> None:
        self._began_at = now()
        self._began_seconds = seconds()
        self._seconds = seconds

    def __call__(self) -> datetime:
        return self._began_at + timedelta(seconds=self._seconds() - self._began_seconds)

    def put_back(self, ahead: timedelta) -> None:
        """Take off what this clock is ahead by; negative, add what it is behind."""
        self._began_at -= ahead


_clock = SteadyClock()


def utc_now() -> datetime:
    """Give the time of day, UTC, which never jumps once the process works."""
    return _clock()


def put_back(ahead: timedelta) -> None:
    """Take off what this process's time of day is ahead of the system's."""
    _clock.put_back(ahead)


def monotonic_seconds() -> float:
    """Give a count of seconds that no clock jump moves; only differences mean anything."""
    return time.monotonic()
