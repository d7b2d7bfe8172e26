"""The simulator's time: what the clock says, and how long a generation takes from now on."""

import time
from datetime import UTC, datetime


class GenerationClock:
    """Tells the time. Units: `generation_seconds` applies to what is submitted after it was set."""

    def __init__(self, generation_seconds: float) -> None:
        self.generation_seconds = generation_seconds

    def monotonic_seconds(self) -> float:
        """Return the seconds of a clock that never jumps, comparable within this process only."""
        return time.monotonic()

    def unix_seconds(self) -> float:
        """Return the seconds since 1970, comparable with what an earlier process wrote down."""
        return time.time()

    def rfc3339(self) -> str:
        """Return the time in UTC as text. Units: milliseconds."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return now.replace("+00:00", "Z")
