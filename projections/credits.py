"""The read models `accounts` and `credit_transactions`: what an account has, and how it got there.

Pure: no SQL. The fold itself is the ledger's own (domain.ledger.evolve), so that the two cannot
come to differ.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.ledger import evolve
from domain.ledger_state import Account, LedgerSlice
from schemas.envelope import Envelope
from schemas.ledger import (
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    LedgerEvent,
)

# 50: S0-24.
QUOTE_CHARACTERS_MAX = 50


class SequenceGapError(Exception):
    """An account's ledger events do not follow one another: one is missing, so nothing is sure."""

    def __init__(self, account_id: str, sequence_expected: int, sequence_found: int) -> None:
        super().__init__(
            f"account {account_id}: expected ledger event {sequence_expected}, "
            f"found {sequence_found}"
        )
        self.account_id = account_id
        self.sequence_expected = sequence_expected
        self.sequence_found = sequence_found


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One row of `accounts`."""

    account: Account
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CreditTransaction:
    """One row of `credit_transactions`: one movement of a balance (I01)."""

    account_id: str
    sequence: int
    event_id: str
    job_id: str | None
    transaction_type: str
    amount_credits: int
    balance_after: int
    description: str
    created_at: datetime


def fold_accounts(
    stored: Mapping[str, AccountRow], envelopes: Iterable[Envelope]
) -> tuple[dict[str, AccountRow], list[Envelope]]:
    """Fold ledger events into their accounts; return the changed rows and the events that count.

    Raises: SequenceGapError; the projection must stop.
    Guarantee: an event at or below the account's sequence was applied before and is left out.
    """
    changed: dict[str, AccountRow] = {}
    counted: list[Envelope] = []
    for envelope in envelopes:
        event = envelope.event
        assert isinstance(event, LedgerEvent), f"{envelope.event_type} is no ledger event"
        row = changed.get(event.account_id) or stored.get(event.account_id)
        account = row.account if row is not None else Account()
        if event.sequence <= account.sequence:
            continue
        if event.sequence > account.sequence + 1:
            raise SequenceGapError(event.account_id, account.sequence + 1, event.sequence)
        at = event.occurred_at if row is None else max(row.updated_at, event.occurred_at)
        changed[event.account_id] = AccountRow(evolve(LedgerSlice(account), event).account, at)
        counted.append(envelope)
    return changed, counted


def transaction_of(envelope: Envelope) -> CreditTransaction | None:
    """Give the movement of credits that an event is; None if it moves none."""
    event = envelope.event
    match event:
        case CreditsGranted(amount_credits=amount, reason=reason):
            return _transaction(envelope, event, "credit_grant", amount, reason)
        case CreditsAdjusted(amount_credits=amount, reason=reason):
            return _transaction(envelope, event, "credit_adjustment", amount, reason)
        case CreditsReserved(transaction_type=kind, price_credits=price):
            return _transaction(envelope, event, kind, -price, _charge_description(event))
        case CreditsRefunded(transaction_type=kind, amount_credits=amount, job_id=job_id):
            return _transaction(envelope, event, kind, amount, f"Refund of generation {job_id}")
        case CreditsRefundedByHand(transaction_type=kind, amount_credits=amount, job_id=job_id):
            description = f"Refund of generation {job_id} by hand: {event.reason}"
            return _transaction(envelope, event, kind, amount, description)
        case _:
            return None


def _charge_description(event: CreditsReserved) -> str:
    prompt = event.private.prompt
    quote = prompt[:QUOTE_CHARACTERS_MAX]
    ellipsis = "..." if len(prompt) > QUOTE_CHARACTERS_MAX else ""
    return f"{event.settings.duration_seconds}s video generation: {quote}{ellipsis}"


def _transaction(
    envelope: Envelope, event: LedgerEvent, kind: str, amount_credits: int, description: str
) -> CreditTransaction:
    return CreditTransaction(
        account_id=event.account_id,
        sequence=event.sequence,
        event_id=envelope.event_id,
        job_id=getattr(event, "job_id", None),
        transaction_type=kind,
        amount_credits=amount_credits,
        balance_after=event.balance_after,
        description=description,
        created_at=event.occurred_at,
    )
