"""A retry budget: how many orders may be repeated, as a share of those that are new.

Pure: the caller says what time it is, in seconds of any clock that only goes forward. A provider in
need gets at most a fifth more orders than it would, however many jobs want another attempt; a
retry that finds the budget empty waits.
"""

from dataclasses import dataclass, replace

# 10: what a quiet provider's first jobs in trouble may spend at once.
SAVED_MAX = 10.0
EARNED_PER_ORDER = 0.2
# One in 10 s whatever happens, so that no retry waits for orders that do not come.
EARNED_PER_SECOND = 0.1
# A hair, for sums that rounding leaves a little short of a whole retry.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """What may be spent as of `counted_at`, in retries."""

    saved: float = SAVED_MAX
    counted_at: float = 0.0


def wait_seconds(budget: RetryBudget, now: float) -> float:
    """Give the time until a retry may be spent, if no new order comes before."""
    lacking = 1.0 - _counted(budget, now).saved
    return 0.0 if lacking <= _ROUNDING else lacking / EARNED_PER_SECOND


def earned(budget: RetryBudget, now: float) -> RetryBudget:
    """Count a new order."""
    counted = _counted(budget, now)
    return replace(counted, saved=min(counted.saved + EARNED_PER_ORDER, SAVED_MAX))


def spent(budget: RetryBudget, now: float) -> RetryBudget:
    """Count a retry."""
    counted = _counted(budget, now)
    return replace(counted, saved=max(counted.saved - 1.0, 0.0))


def _counted(budget: RetryBudget, now: float) -> RetryBudget:
    gained = max(now - budget.counted_at, 0.0) * EARNED_PER_SECOND
    return RetryBudget(min(budget.saved + gained, SAVED_MAX), now)
