"""Who waits for a place, the accounts taking turns."""

from collections import OrderedDict
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """First come, first served within an account; between accounts one turn each.

    Guarantee: whoever is alone in its account waits for one item of each other account at most.
    """

    def __init__(self) -> None:
        self._by_account: OrderedDict[str, OrderedDict[str, Item]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, account_id: str, key: str, item: Item) -> None:
        """Let an item wait under a key that nothing else waits under."""
        waiting = self._by_account.setdefault(account_id, OrderedDict())
        assert key not in waiting, f"{key} waits already"
        waiting[key] = item
        self._length += 1

    def pop(self) -> Item:
        """Give the next item; its account's next one waits for all others' turns.

        Raises: KeyError if nobody waits.
        """
        account_id, waiting = next(iter(self._by_account.items()), ("", None))
        if waiting is None:
            raise KeyError("nobody waits")
        _, item = waiting.popitem(last=False)
        self._length -= 1
        if waiting:
            self._by_account.move_to_end(account_id)
        else:
            del self._by_account[account_id]
        return item

    def withdraw(self, account_id: str, key: str) -> bool:
        """Let an item wait no longer; False if it does not."""
        waiting = self._by_account.get(account_id)
        if waiting is None or waiting.pop(key, None) is None:
            return False
        self._length -= 1
        if not waiting:
            del self._by_account[account_id]
        return True
