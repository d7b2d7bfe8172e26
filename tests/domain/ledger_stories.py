"""Random stories of several accounts, jobs and keys, for laws that hold in all of them."""

from dataclasses import dataclass
from functools import reduce

from hypothesis import strategies as st

from domain.ledger_commands import LedgerCommand
from domain.ledger_state import Policy
from schemas.ledger import LedgerEvent
from tests.domain.examples import (
    ALICE,
    AT,
    BODY,
    HOUR,
    MINUTE,
    OTHER_BODY,
    SECOND,
    TICK,
    adjust,
    cancel,
    close_cancelled,
    close_failed,
    grant,
    refund_by_hand,
    reserve,
    settle,
    video,
)
from tests.domain.ledger_book import Book, decide, evolve

ACCOUNTS = (ALICE, "bob")
POLICY = Policy(active_jobs_max=2)
_KEYS = st.sampled_from(("k1", "k2", "k3"))
_WAITS = st.sampled_from((TICK, SECOND, MINUTE, 36 * HOUR, 72 * HOUR - TICK, 72 * HOUR))
_SETTINGS = st.sampled_from((video(4), video(6), video(8), video(5), video(model="sora-9")))


@dataclass(frozen=True, slots=True)
class Step:
    """A command, the events it led to, and the ledger before and after."""

    command: LedgerCommand
    events: tuple[LedgerEvent, ...]
    before: Book
    after: Book


@st.composite
def commands(draw: st.DrawFn, length_max: int = 20) -> list[LedgerCommand]:
    """Commands in the order of their times; any may come again as it was, at any later time."""
    made: list[LedgerCommand] = [grant(draw(st.sampled_from((79, 500))))]
    owners: list[str] = []  # by job number
    at = AT
    for _ in range(draw(st.integers(1, length_max))):
        at += draw(_WAITS)
        account_id = draw(st.sampled_from(ACCOUNTS))
        kind = draw(
            st.sampled_from(
                (
                    "grant",
                    "reserve",
                    "reserve",
                    "reserve",
                    "adjust",
                    "end",
                    "end",
                    "refund",
                    "cancel",
                    "again",
                )
            )
        )
        if kind == "again":
            made.append(draw(st.sampled_from(made)))
        elif kind == "grant":
            amount = draw(st.sampled_from((1, 39, 40, 80, 120, 500)))
            made.append(grant(amount, account_id=account_id, key=draw(_KEYS), at=at))
        elif kind == "adjust":
            amount = draw(st.integers(-200, 50))
            made.append(adjust(amount, account_id=account_id, key=draw(_KEYS), at=at))
        elif kind == "reserve":
            owners.append(account_id)
            made.append(
                reserve(
                    len(owners) - 1,
                    account_id=account_id,
                    key=draw(st.none() | _KEYS),
                    settings=draw(_SETTINGS),
                    body=draw(st.sampled_from((BODY, BODY, OTHER_BODY))),
                    at=at,
                )
            )
        elif owners:
            number = draw(st.integers(0, len(owners) - 1))
            # The owner's account three times out of four, a stranger's otherwise.
            by = draw(st.sampled_from((*(owners[number],) * 2, *ACCOUNTS)))
            ends: tuple[LedgerCommand, ...] = (
                settle(number, account_id=by, at=at),
                close_failed(number, account_id=by, at=at),
                close_cancelled(number, submitted=True, account_id=by, at=at),
                close_cancelled(number, submitted=False, account_id=by, at=at),
            )
            cancellation = cancel(number, account_id=by, at=at)
            refund = refund_by_hand(number, account_id=by, key=draw(_KEYS), at=at)
            made.append(
                draw(st.sampled_from(ends))
                if kind == "end"
                else refund
                if kind == "refund"
                else cancellation
            )
    return made


def played(story: list[LedgerCommand], policy: Policy = POLICY) -> list[Step]:
    steps: list[Step] = []
    book = Book()
    for command in story:
        events = decide(book, command, policy)
        after = reduce(evolve, events, book)
        steps.append(Step(command, events, book, after))
        book = after
    return steps


def by_account(steps: list[Step]) -> dict[str, list[LedgerEvent]]:
    events = [event for step in steps for event in step.events]
    return {account: [e for e in events if e.account_id == account] for account in ACCOUNTS}
