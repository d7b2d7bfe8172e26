"""How fast each account may order: so many at once, so many a second after that.

One number for each account (the generic cell rate algorithm): the moment until which what it has
ordered keeps it busy at its rate. Each ingress counts for itself. Source: C32, torture.md row 37.
"""

from collections.abc import Callable

# 10,000: some 1 MB. An account whose moment has passed is as good as one that never ordered.
ACCOUNTS_REMEMBERED_MAX = 10_000


class Pace:
    """Says whether an account may order now."""

    def __init__(
        self, orders_per_second: float, orders_at_once: int, monotonic: Callable[[], float]
    ) -> None:
        self._seconds_per_order = 1 / orders_per_second
        self._ahead_seconds_max = orders_at_once / orders_per_second
        self._monotonic = monotonic
        # In order of their last order: the first is the first to be forgotten.
        self._busy_until: dict[str, float] = {}

    def wait_seconds(self, account_id: str) -> float:
        """Take one order's place and give 0, or take none and say after how long there is one."""
        now = self._monotonic()
        busy_until = max(self._busy_until.get(account_id, now), now) + self._seconds_per_order
        too_far_ahead = busy_until - now - self._ahead_seconds_max
        # The sum of many tenths is not quite what it should be.
        if too_far_ahead > self._seconds_per_order / 1000:
            return too_far_ahead
        self._busy_until.pop(account_id, None)
        self._busy_until[account_id] = busy_until
        if len(self._busy_until) > ACCOUNTS_REMEMBERED_MAX:
            del self._busy_until[next(iter(self._busy_until))]
        return 0.0
