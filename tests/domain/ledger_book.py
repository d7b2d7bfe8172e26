"""A whole ledger in memory: the records of all accounts, jobs and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain import ledger
from domain.ledger_commands import LedgerCommand
from domain.ledger_state import (
    Account,
    EndedJob,
    KeyUse,
    LedgerSlice,
    Policy,
    Reservation,
    slice_keys,
)
from schemas.ledger import LedgerEvent


@dataclass(frozen=True, slots=True)
class Book:
    accounts: Mapping[str, Account] = field(default_factory=dict)
    reservations: Mapping[tuple[str, str], Reservation] = field(default_factory=dict)
    key_uses: Mapping[tuple[str, str], KeyUse] = field(default_factory=dict)
    ended: Mapping[tuple[str, str], EndedJob] = field(default_factory=dict)

    def page(self, subject: LedgerCommand | LedgerEvent) -> LedgerSlice:
        keys = slice_keys(subject)
        return LedgerSlice(
            account=self.accounts.get(keys.account_id, Account()),
            reservation=self.reservations.get((keys.account_id, keys.job_id))
            if keys.job_id
            else None,
            key_use=self.key_uses.get((keys.account_id, keys.idempotency_key))
            if keys.idempotency_key
            else None,
            ended=self.ended.get((keys.account_id, keys.job_id)) if keys.job_id else None,
        )


def decide(
    book: Book, command: LedgerCommand, policy: Policy | None = None
) -> tuple[LedgerEvent, ...]:
    return ledger.decide(book.page(command), command, policy or Policy())


def evolve(book: Book, event: LedgerEvent) -> Book:
    keys = slice_keys(event)
    page = ledger.evolve(book.page(event), event)
    reservations = dict(book.reservations)
    if keys.job_id is not None:
        reservations.pop((keys.account_id, keys.job_id), None)
        if page.reservation is not None:
            reservations[keys.account_id, keys.job_id] = page.reservation
    ended = dict(book.ended)
    if keys.job_id is not None and page.ended is not None:
        ended[keys.account_id, keys.job_id] = page.ended
    key_uses = dict(book.key_uses)
    if keys.idempotency_key is not None and page.key_use is not None:
        key_uses[keys.account_id, keys.idempotency_key] = page.key_use
    return Book({**book.accounts, keys.account_id: page.account}, reservations, key_uses, ended)
