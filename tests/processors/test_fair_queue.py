from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.fair_queue import FairQueue

ACCOUNTS = st.sampled_from("abcde")


def filled(accounts) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number, account_id in enumerate(accounts):
        queue.put(account_id, str(number), (account_id, number))
    return queue


def drained(queue: FairQueue[tuple[str, int]]) -> list[tuple[str, int]]:
    served = [queue.pop() for _ in range(len(queue))]
    assert all(key in (str(number), "late") for key, (_, number) in served)
    return [item for _, item in served]


@given(st.lists(ACCOUNTS))
def test_everyone_is_served_once_and_in_order_within_an_account(accounts):
    served = drained(filled(accounts))
    assert sorted(number for _, number in served) == list(range(len(accounts)))
    by_account = defaultdict(list)
    for account_id, number in served:
        by_account[account_id].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_account.values())


@given(st.lists(ACCOUNTS), ACCOUNTS)
def test_whoever_comes_last_waits_for_one_item_of_each_other_account(flood, late):
    """Torture row 37."""
    others = [account_id for account_id in flood if account_id != late]
    queue = filled(others)
    queue.put(late, "late", (late, -1))
    ahead = drained(queue).index((late, -1))
    assert ahead == len(set(others))


@given(st.lists(ACCOUNTS, min_size=1), st.data())
def test_whoever_withdraws_is_not_served_and_nobody_else_is_forgotten(accounts, data):
    queue = filled(accounts)
    gone = data.draw(st.integers(0, len(accounts) - 1))
    assert queue.withdraw(accounts[gone], str(gone))
    assert not queue.withdraw(accounts[gone], str(gone))
    assert len(queue) == len(accounts) - 1
    left = {number for _, number in drained(queue)}
    assert left == set(range(len(accounts))) - {gone}
    with pytest.raises(KeyError):
        queue.pop()
