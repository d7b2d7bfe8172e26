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
        """Say after how long the account may order; 0 if it may now."""
        now = self._monotonic()
        too_far_ahead = self._after_one_more(account_id, now) - now - self._ahead_seconds_max
        # The sum of many tenths is not quite what it should be.
        return too_far_ahead if too_far_ahead > self._seconds_per_order / 1000 else 0.0

    def take(self, account_id: str) -> float:
        """Take one order's place and give 0, or take none and give `wait_seconds`."""
        if seconds := self.wait_seconds(account_id):
            return seconds
        busy_until = self._after_one_more(account_id, self._monotonic())
        self._busy_until.pop(account_id, None)
        self._busy_until[account_id] = busy_until
        if len(self._busy_until) > ACCOUNTS_REMEMBERED_MAX:
            del self._busy_until[next(iter(self._busy_until))]
        return 0.0

    def _after_one_more(self, account_id: str, now: float) -> float:
        return max(self._busy_until.get(account_id, now), now) + self._seconds_per_order
