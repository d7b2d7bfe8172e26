"""Credits: reserved when a job is accepted, then kept or given back exactly once.

Pure: no clock, no randomness, no I/O; ids and times arrive inside the command.
"""

from dataclasses import replace
from typing import assert_never

from domain.ledger_by_hand import adjust, grant, key_use_of, refund_by_hand
from domain.ledger_closing import answer_cancellation, close
from domain.ledger_commands import (
    AdjustCredits,
    CloseCancelledJob,
    CloseFailedJob,
    GrantCredits,
    LedgerCommand,
    RefundByHand,
    RequestCancellation,
    ReserveCredits,
    SettleJob,
)
from domain.ledger_reservations import reserve
from domain.ledger_state import (
    HAND_REFUND_WINDOW,
    Account,
    EndedJob,
    KeyUse,
    LedgerSlice,
    Policy,
    Reservation,
    expiry,
)
from schemas.ledger import (
    CancellationAccepted,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    FirstAnswer,
    LedgerEvent,
)

_DEFAULT_POLICY = Policy()


def decide(
    state: LedgerSlice, command: LedgerCommand, policy: Policy = _DEFAULT_POLICY
) -> tuple[LedgerEvent, ...]:
    """Answer one command; a job's end that was answered before is answered with no events."""
    match command:
        case ReserveCredits():
            return reserve(state, command, policy)
        case GrantCredits():
            return grant(state, command)
        case AdjustCredits():
            return adjust(state, command)
        case RefundByHand():
            return refund_by_hand(state, command)
        case RequestCancellation():
            return answer_cancellation(state, command)
        case SettleJob() | CloseFailedJob() | CloseCancelledJob():
            return close(state, command)
        case _:
            assert_never(command)


def evolve(state: LedgerSlice, event: LedgerEvent) -> LedgerSlice:
    """Apply one event. Total: an event already happened, so none is refused."""
    if isinstance(event, CreditsReserved):
        return _with_reservation(state.account, event)
    account = replace(state.account, sequence=event.sequence, available_credits=event.balance_after)
    match event:
        case CreditsGranted() | CreditsAdjusted():
            granted = account.granted_credits + event.amount_credits
            return replace(
                state,
                account=replace(account, granted_credits=granted),
                key_use=key_use_of(event),
            )
        case CancellationAccepted():
            asked = state.reservation and replace(state.reservation, cancellation_requested=True)
            return replace(state, account=account, reservation=asked)
        case CreditsSettled(price_credits=price):
            settled = account.settled_credits + price
            return _closed(state, replace(account, settled_credits=settled), event, price)
        case CreditsRefunded(amount_credits=amount):
            return _closed(state, account, event, amount)
        case CreditsRefundedByHand(amount_credits=amount):
            settled = account.settled_credits - amount
            return replace(
                state,
                account=replace(account, settled_credits=settled),
                key_use=key_use_of(event),
                ended=state.ended and replace(state.ended, refunded=True),
            )
        case _:
            return replace(state, account=account)


def _with_reservation(account: Account, event: CreditsReserved) -> LedgerSlice:
    return LedgerSlice(
        # By its fields: `replace` takes three times as long, and most events are this one.
        account=Account(
            available_credits=event.balance_after,
            reserved_credits=account.reserved_credits + event.price_credits,
            settled_credits=account.settled_credits,
            granted_credits=account.granted_credits,
            sequence=event.sequence,
            active_job_ids=(*account.active_job_ids, event.job_id),
        ),
        reservation=Reservation(event.price_credits, event.transaction_type, event.occurred_at),
        key_use=KeyUse(event.body_sha256, expiry(event), _first_answer(event)),
    )


def _first_answer(event: CreditsReserved) -> FirstAnswer:
    return FirstAnswer(
        job_id=event.job_id,
        price_credits=event.price_credits,
        balance_after=event.balance_after,
        reserved_at=event.occurred_at,
    )


def _closed(
    state: LedgerSlice,
    account: Account,
    event: CreditsSettled | CreditsRefunded,
    price_credits: int,
) -> LedgerSlice:
    return LedgerSlice(
        account=replace(
            account,
            reserved_credits=account.reserved_credits - price_credits,
            active_job_ids=tuple(job for job in account.active_job_ids if job != event.job_id),
        ),
        reservation=None,
        key_use=state.key_use,
        ended=EndedJob(
            price_credits,
            refunded=isinstance(event, CreditsRefunded),
            expires_at=event.occurred_at + HAND_REFUND_WINDOW,
        ),
    )
