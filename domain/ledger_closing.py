"""How a reservation ends: its price is kept or given back, once. Pure."""

from typing import assert_never

from domain.ledger_commands import (
    CloseCancelledJob,
    CloseFailedJob,
    RequestCancellation,
    SettleJob,
)
from domain.ledger_state import LedgerSlice, Reservation
from domain.refunds import REFUND_BY_FAILURE, refunds_cancellation
from schemas.failure import Failure
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditsRefunded,
    CreditsSettled,
    LedgerEvent,
)

REFUND_TYPE = "refund_video_generation"


def answer_cancellation(
    state: LedgerSlice, command: RequestCancellation
) -> tuple[LedgerEvent, ...]:
    """Accept the cancellation of an open job, once."""
    reservation = state.reservation
    sequence = state.account.sequence + 1
    balance = state.account.available_credits
    if reservation is None or reservation.cancellation_requested:
        return (
            CancellationDeclined(
                account_id=command.account_id,
                occurred_at=command.at,
                sequence=sequence,
                balance_after=balance,
                job_id=command.job_id,
                code="JOB_NOT_ACTIVE" if reservation is None else "ALREADY_REQUESTED",
            ),
        )
    return (
        CancellationAccepted(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=sequence,
            balance_after=balance,
            job_id=command.job_id,
            requested_by=command.requested_by,
        ),
    )


def close(
    state: LedgerSlice, command: SettleJob | CloseFailedJob | CloseCancelledJob
) -> tuple[LedgerEvent, ...]:
    """Keep the price or give it back; a job that is closed already stays as it is (I05, I06)."""
    if state.reservation is None:
        return ()
    match command:
        case SettleJob():
            return (_settled(state, command, state.reservation),)
        case CloseFailedJob(failure=failure):
            assert REFUND_BY_FAILURE[failure.category].refund, "every failure gives back (S0-26)"
            return (_refunded(state, command, state.reservation, failure),)
        case CloseCancelledJob(submitted=submitted):
            if refunds_cancellation(submitted=submitted):
                return (_refunded(state, command, state.reservation, None),)
            return (_settled(state, command, state.reservation),)
        case _:
            assert_never(command)


def _settled(
    state: LedgerSlice, command: SettleJob | CloseCancelledJob, reservation: Reservation
) -> CreditsSettled:
    return CreditsSettled(
        account_id=command.account_id,
        occurred_at=command.at,
        sequence=state.account.sequence + 1,
        balance_after=state.account.available_credits,
        job_id=command.job_id,
        price_credits=reservation.price_credits,
        outcome="completed" if isinstance(command, SettleJob) else "cancelled",
    )


def _refunded(
    state: LedgerSlice,
    command: CloseFailedJob | CloseCancelledJob,
    reservation: Reservation,
    failure: Failure | None,
) -> CreditsRefunded:
    return CreditsRefunded(
        account_id=command.account_id,
        occurred_at=command.at,
        sequence=state.account.sequence + 1,
        balance_after=state.account.available_credits + reservation.price_credits,
        job_id=command.job_id,
        amount_credits=reservation.price_credits,
        transaction_type=REFUND_TYPE,
        outcome="failed" if failure is not None else "cancelled",
        failure=failure,
    )
