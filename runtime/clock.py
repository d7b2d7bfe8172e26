"""The one place that reads a clock, so that a test can pass its own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Give the time of day, UTC."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Give a count of seconds that no clock jump moves; only differences mean anything."""
    return time.monotonic()
