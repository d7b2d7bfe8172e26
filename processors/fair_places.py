"""A bounded number of places, given in turns to the accounts that wait for them."""

from collections.abc import Callable

from processors.fair_queue import FairQueue


class FairPlace:
    """One place, to be given back; giving it back twice is harmless."""

    __slots__ = ("_back", "_given_back")

    def __init__(self, back: Callable[[], None]) -> None:
        self._back = back
        self._given_back = False

    def release(self) -> None:
        """Give it back."""
        if not self._given_back:
            self._given_back = True
            self._back()


class FairPlaces:
    """Hands out places as they become free."""

    def __init__(self, places_max: int) -> None:
        self._free = places_max
        self._waiting: FairQueue[Callable[[str, FairPlace], None]] = FairQueue()

    def ask(self, account_id: str, key: str, start: Callable[[str, FairPlace], None]) -> None:
        """Have `start` called with the key and a place, at once or when it is this one's turn."""
        self._waiting.put(account_id, key, start)
        self._pump()

    def withdraw(self, account_id: str, key: str) -> bool:
        """Wait no longer; False if the place was given."""
        return self._waiting.withdraw(account_id, key)

    def _pump(self) -> None:
        while self._free > 0 and len(self._waiting) > 0:
            self._free -= 1
            key, start = self._waiting.pop()
            start(key, FairPlace(self._take_back))

    def _take_back(self) -> None:
        self._free += 1
        self._pump()
