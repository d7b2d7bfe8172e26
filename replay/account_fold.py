"""Folds one partition of `ledger.events` into its accounts and checks every position (T1). No I/O.

The fold is the ledger's own `evolve`; what an event must do to a balance is written here again, for
`evolve` believes each event.
"""

from datetime import datetime
from typing import TypeVar

from domain.ledger import evolve
from domain.ledger_state import Account, EndedJob, KeyUse, LedgerSlice, Reservation, is_live
from replay.checks import Checks, Rules
from replay.unique_ids import place
from schemas.ledger import (
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    LedgerEvent,
    LedgerJobEvent,
)
from schemas.topics import LEDGER_EVENTS

_NO_ACCOUNT = Account()
_KEYED = (CreditsReserved, CreditsGranted, CreditsAdjusted, CreditsRefundedByHand)
State = TypeVar("State")


class AccountFold:
    """The ledger's states, as its events say they must be."""

    def __init__(self, checks: Checks, rules: Rules, partition: int) -> None:
        self.accounts: dict[str, Account] = {}
        self.reservations: dict[str, Reservation] = {}
        self.key_uses: dict[str, KeyUse] = {}
        self.ended: dict[str, EndedJob] = {}
        self.refunded_credits = 0
        self.refunded_by_hand_credits = 0
        self._checks = checks
        self._rules = rules
        self._partition = partition

    def apply(self, offset: int, event: LedgerEvent) -> None:
        """Apply one event and hold it against what came before."""
        account_id = event.account_id
        # By type: asking a pydantic model for a field that it lacks costs 5 us.
        job_id = event.job_id if isinstance(event, LedgerJobEvent) else None
        key = event.idempotency_key if isinstance(event, _KEYED) else None
        key_name = f"{account_id}/{key}" if key is not None else None
        job_name = f"{account_id}/{job_id}" if job_id is not None else None
        before = LedgerSlice(
            self.accounts.get(account_id, _NO_ACCOUNT),
            self.reservations.get(job_name) if job_name is not None else None,
            self.key_uses.get(key_name) if key_name is not None else None,
            self.ended.get(job_name) if job_name is not None else None,
        )
        after = evolve(before, event)
        self._check_credits(offset, event, before.account, after.account)
        self._check_limits(offset, event, before, after)
        self.accounts[account_id] = after.account
        if job_name is not None and after.reservation is not before.reservation:
            _set(self.reservations, job_name, after.reservation)
        if job_name is not None and after.ended is not before.ended:
            _set(self.ended, job_name, after.ended)
        if key_name is not None:
            _set(self.key_uses, key_name, after.key_use)
        if isinstance(event, CreditsRefunded):
            self.refunded_credits += event.amount_credits
        elif isinstance(event, CreditsRefundedByHand):
            self.refunded_by_hand_credits += event.amount_credits

    def forget(self, before: datetime) -> None:
        """Drop what was over before a moment: idempotency keys and ended jobs."""
        self.key_uses = {k: use for k, use in self.key_uses.items() if use.expires_at >= before}
        self.ended = {k: job for k, job in self.ended.items() if job.expires_at >= before}

    def _check_credits(
        self, offset: int, event: LedgerEvent, before: Account, after: Account
    ) -> None:
        checks = self._checks
        for check in (checks.sums, checks.chain, checks.sequence):
            check.looked_at += 1
        if event.sequence != before.sequence + 1:
            checks.sequence.wrong(
                f"{self._at(offset)}: account {event.account_id} goes from sequence "
                f"{before.sequence} to {event.sequence}"
            )
        balance = before.available_credits + movement_credits(event)
        if event.balance_after != balance:
            checks.chain.wrong(
                f"{self._at(offset)}: account {event.account_id} has balance_after "
                f"{event.balance_after}, but {before.available_credits} before and "
                f"{movement_credits(event):+} make {balance}"
            )
        # Only the event that breaks the sum is named, not all that follow it.
        if _difference(after) != _difference(before) or _lowest(after) < min(_lowest(before), 0):
            checks.sums.wrong(
                f"{self._at(offset)}: account {event.account_id} has granted "
                f"{after.granted_credits}, available {after.available_credits}, reserved "
                f"{after.reserved_credits}, settled {after.settled_credits}"
            )

    def _check_limits(
        self, offset: int, event: LedgerEvent, before: LedgerSlice, after: LedgerSlice
    ) -> None:
        checks = self._checks
        if isinstance(event, CreditsReserved):
            checks.active_jobs.looked_at += 1
            count = len(after.account.active_job_ids)
            if count > self._rules.active_jobs_max:
                checks.active_jobs.wrong(
                    f"{self._at(offset)}: account {event.account_id} has {count} active jobs, "
                    f"the limit is {self._rules.active_jobs_max}"
                )
        if isinstance(event, _KEYED):
            checks.keys.looked_at += 1
            if is_live(before.key_use, event.occurred_at):
                checks.keys.wrong(
                    f"{self._at(offset)}: account {event.account_id} uses the idempotency key "
                    f"{event.idempotency_key!r} again within its lifetime"
                )

    def _at(self, offset: int) -> str:
        return place(LEDGER_EVENTS.name, self._partition, offset)


def movement_credits(event: LedgerEvent) -> int:
    """Say what an event must do to the credits available."""
    match event:
        case CreditsGranted() | CreditsAdjusted() | CreditsRefunded() | CreditsRefundedByHand():
            return event.amount_credits
        case CreditsReserved():
            return -event.price_credits
        case _:
            return 0


def _difference(account: Account) -> int:
    held = account.available_credits + account.reserved_credits + account.settled_credits
    return account.granted_credits - held


def _lowest(account: Account) -> int:
    return min(account.available_credits, account.reserved_credits, account.settled_credits)


def _set(states: dict[str, State], key: str, state: State | None) -> None:
    if state is None:
        states.pop(key, None)
    else:
        states[key] = state
