"""How long a kind of job has taken lately, and when it is worth asking about the next one.

Pure: ages and durations come in as numbers. Units: seconds.
"""

from bisect import bisect_right, insort
from collections import deque

from schemas.requests import VideoSettings

# 100: enough to tell when one job in twenty has ended, few enough to follow a provider that
# becomes slower or faster within some dozens of jobs.
REMEMBERED_MAX = 100
# Below 20 a single odd job would move every plan.
KNOWN_FROM = 20
# A question is due once one in fifteen of the jobs that are still at work should have ended: some
# 15 questions for a job, however long it takes.
ENDED_SHARE = 1 / 15
# Steps of the golden ratio fill an interval evenly, wherever one stops.
SPREAD_STEP = 0.618_034


class Durations:
    """The latest durations of one kind of job."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []
        self._spread = 0.0

    def note(self, age_seconds: float) -> None:
        """Learn of a job that was found done at this age.

        It was done at some moment since the question before; taken for that moment is one of
        those, each time another, or what is known would be no more than when it was asked for.
        """
        self._spread = (self._spread + SPREAD_STEP) % 1
        earliest = self._asked_before(age_seconds)
        seconds = earliest + (age_seconds - earliest) * self._spread
        if len(self._latest) == REMEMBERED_MAX:
            self._sorted.remove(self._latest.popleft())
        self._latest.append(seconds)
        insort(self._sorted, seconds)

    def wait_seconds(self, age_seconds: float) -> float | None:
        """Give the wait until a job of this age is likely enough to have ended.

        None if too little is known, or if the job is older than those that are known. Never more
        than half of the usual duration: a provider that becomes faster is to be noticed.
        """
        ended = bisect_right(self._sorted, age_seconds)
        remaining = len(self._sorted) - ended
        if len(self._sorted) < KNOWN_FROM or not remaining:
            return None
        due = self._age_at(ended + remaining * ENDED_SHARE, ended, age_seconds)
        return min(due - age_seconds, self._longest_wait_seconds)

    @property
    def _longest_wait_seconds(self) -> float:
        return self._sorted[len(self._sorted) // 2] / 2

    def _age_at(self, ended_wanted: float, ended: int, age_seconds: float) -> float:
        """Give the age by which so many jobs had ended, after one by which `ended` had."""
        whole = int(ended_wanted)
        # Between two durations that were seen, any is as likely.
        before = age_seconds if whole == ended else self._sorted[whole - 1]
        return before + (self._sorted[whole] - before) * (ended_wanted - whole)

    def _asked_before(self, age_seconds: float) -> float:
        """Give the age at which the same job was asked about before, as `wait_seconds` says."""
        known = len(self._sorted)
        if known < KNOWN_FROM:
            return age_seconds
        ended = bisect_right(self._sorted, age_seconds)
        ended_before = max((ended - known * ENDED_SHARE) / (1 - ENDED_SHARE), 0.0)
        asked = self._age_at(ended_before, 0, 0.0) if ended_before < known else age_seconds
        return max(asked, age_seconds - self._longest_wait_seconds)


class DurationsByKind:
    """What is known of each kind of job that there is; as many kinds as the catalogue offers."""

    def __init__(self) -> None:
        self._by_kind: dict[tuple[str, int, str], Durations] = {}

    def of(self, settings: VideoSettings) -> Durations:
        """Give what is known of jobs with these settings."""
        kind = (settings.model, settings.duration_seconds, settings.resolution)
        return self._by_kind.setdefault(kind, Durations())
