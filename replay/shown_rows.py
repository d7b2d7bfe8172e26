"""The rows that Postgres must show, folded as far as Postgres says it is. No I/O."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from domain.ledger_state import Account
from replay.job_story import JobStory
from replay.read_model_fold import ReadModelFold, RowKey, RowValues
from schemas.envelope import Envelope

# 200,000: some 400 MB of events that Postgres has not applied; then its rows are compared no more.
EVENTS_WAITING_MAX = 200_000
# 1,000 per account: older ones were compared when they were new.
TRANSACTIONS_KEPT_MAX = 1_000


class ShownRows:
    """One partition's rows.

    `following`: Postgres will be looked at again, so what it has not applied yet is kept.
    """

    def __init__(self, next_offsets: Mapping[str, int] | None, *, following: bool) -> None:
        self.fault = ""
        self.changed: set[str] = set()
        self._next_offsets = dict(next_offsets or {})
        self._following = following
        self._fold = ReadModelFold()
        self._accounts: dict[str, Account] = {}
        self._waiting: dict[str, deque[tuple[int, Envelope, Account | None]]] = {}
        self._forgotten: set[str] = set()

    def event(self, topic: str, offset: int, envelope: Envelope, account: Account | None) -> None:
        """Take one event; `account`: of a ledger event, as it leaves the account."""
        if offset < self._next_offsets.get(topic, 0):
            self._show(envelope, account)
        elif self._following and not self.fault:
            waiting = self._waiting.setdefault(topic, deque())
            waiting.append((offset, envelope, account))
            if len(waiting) > EVENTS_WAITING_MAX:
                self._give_up(f"Postgres is {EVENTS_WAITING_MAX:,} events of {topic} behind")

    def advance(self, next_offsets: Mapping[str, int]) -> None:
        """Learn how far Postgres is now."""
        for topic, at in self._next_offsets.items():
            if next_offsets.get(topic, 0) < at:
                self._give_up(f"Postgres went back in {topic}: its rows were rebuilt")
        self._next_offsets = dict(next_offsets)
        for topic, waiting in self._waiting.items():
            while waiting and waiting[0][0] < next_offsets.get(topic, 0):
                _, envelope, account = waiting.popleft()
                self._show(envelope, account)

    def expected(self, table: str, account_ids: Iterable[str]) -> dict[RowKey, RowValues]:
        """Give the rows of some accounts, by table."""
        if table == "accounts":
            shown = self._accounts
            return {(id_,): _account_values(shown[id_]) for id_ in account_ids if id_ in shown}
        if table == "credit_transactions":
            return {
                (id_, sequence): values
                for id_ in account_ids
                for sequence, values in self._fold.transactions.get(id_, {}).items()
            }
        return {
            (job_id,): row.values()
            for id_ in account_ids
            for job_id, row in self._fold.generations.get(id_, {}).items()
        }

    def is_whole(self, account_id: str) -> bool:
        """Say whether no row of an account was forgotten."""
        return account_id not in self._forgotten

    def forget(self, stories: Iterable[JobStory]) -> None:
        """Drop the rows of some jobs, and each account's oldest transactions."""
        for story in stories:
            rows = self._fold.generations.get(story.account_id, {})
            if rows.pop(story.job_id, None) is not None:
                self._forgotten.add(story.account_id)
        for account_id, rows_by_sequence in self._fold.transactions.items():
            for sequence in sorted(rows_by_sequence)[:-TRANSACTIONS_KEPT_MAX]:
                del rows_by_sequence[sequence]
                self._forgotten.add(account_id)

    def _show(self, envelope: Envelope, account: Account | None) -> None:
        account_id = envelope.event.account_id
        self._fold.apply(envelope)
        if account is not None:
            self._accounts[account_id] = account
        if self._following:
            self.changed.add(account_id)

    def _give_up(self, reason: str) -> None:
        self.fault = f"{reason}; start again to compare its rows"
        self._waiting.clear()


def is_forgettable(story: JobStory, before: datetime) -> bool:
    """Say whether nothing may happen to a job any more that was over before a moment."""
    over_at = story.closed_at or story.declined_at
    return over_at is not None and over_at < before and not story.open


def _account_values(account: Account) -> RowValues:
    return (
        account.available_credits,
        account.reserved_credits,
        account.settled_credits,
        account.granted_credits,
        account.sequence,
    )
