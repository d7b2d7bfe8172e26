"""Credits: reserved when a job is accepted, then kept or given back exactly once.

Pure: no clock, no randomness, no I/O; ids and times arrive inside the command.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from domain.catalogue import (
    CATALOGUE,
    price_credits,
    unsupported_input,
    unsupported_setting,
)
from domain.ledger_commands import (
    AdjustCredits,
    CloseCancelledJob,
    CloseFailedJob,
    GrantCredits,
    LedgerCommand,
    RequestCancellation,
    ReserveCredits,
    SettleJob,
)
from domain.ledger_state import (
    Account,
    KeyUse,
    LedgerSlice,
    Policy,
    Reservation,
    expiry,
    is_live,
)
from domain.refunds import REFUND_BY_FAILURE, refunds_cancellation
from schemas.base import Detail
from schemas.failure import Failure
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsReserved,
    CreditsSettled,
    DeclineCode,
    FirstAnswer,
    LedgerEvent,
    ReservationDeclined,
)

REFUND_TYPE = "refund_video_generation"
_DEFAULT_POLICY = Policy()


def decide(
    state: LedgerSlice, command: LedgerCommand, policy: Policy = _DEFAULT_POLICY
) -> tuple[LedgerEvent, ...]:
    """Answer one command; one that was answered before is answered with no events."""
    match command:
        case ReserveCredits():
            return _reserve(state, command, policy)
        case GrantCredits() | AdjustCredits():
            return _change_credits(state, command)
        case RequestCancellation():
            return _answer_cancellation(state, command)
        case SettleJob() | CloseFailedJob() | CloseCancelledJob():
            return _close(state, command)
        case _:
            assert_never(command)


def _reserve(
    state: LedgerSlice, command: ReserveCredits, policy: Policy
) -> tuple[LedgerEvent, ...]:
    if state.reservation is not None:
        return ()  # this very job is reserved already, whatever key it came with this time
    if state.key_use is not None and is_live(state.key_use, command.at):
        return _repeat(state, command, state.key_use)
    refusal = _refusal(state.account, command, policy)
    if refusal is not None:
        code, details = refusal
        return (_declined(state, command, code, details),)
    model = CATALOGUE[command.settings.model]
    price = price_credits(model, command.settings)
    return (
        CreditsReserved(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=state.account.sequence + 1,
            balance_after=state.account.available_credits - price,
            job_id=command.job_id,
            price_credits=price,
            transaction_type=f"video_{command.settings.duration_seconds}s_generation",
            settings=command.settings,
            idempotency_key=command.idempotency_key,
            body_sha256=command.body_sha256,
            private=command.prompt,
        ),
    )


def _repeat(
    state: LedgerSlice, command: ReserveCredits, key_use: KeyUse
) -> tuple[LedgerEvent, ...]:
    """Answer a key that was used before: with the first job, or not at all (I11, I12)."""
    first = key_use.first_answer
    if first is not None and first.job_id == command.job_id:
        return ()
    if first is None or key_use.body_sha256 != command.body_sha256:
        return (_declined(state, command, "IDEMPOTENCY_KEY_REUSED", {}),)
    return (_declined(state, command, "IDEMPOTENT_REPLAY", {}, first),)


def _refusal(
    account: Account, command: ReserveCredits, policy: Policy
) -> tuple[DeclineCode, dict[str, Detail]] | None:
    """Check the switch, the model and its settings, the credits, the active jobs, in this order.

    Source: design.md section 4; S0-12: who is both broke and at the limit is told about credits.
    """
    if not policy.generation_enabled:
        return "GENERATION_DISABLED", {}
    model = CATALOGUE.get(command.settings.model)
    if model is None:
        return "UNKNOWN_MODEL", {"model": command.settings.model, "allowed": tuple(CATALOGUE)}
    fault = unsupported_setting(model, command.settings) or unsupported_input(model, command.prompt)
    if fault is not None:
        return "UNSUPPORTED_SETTING", {
            "field": fault.field,
            "value": fault.value,
            "allowed": fault.allowed,
        }
    required = price_credits(model, command.settings)
    shortfall = required - account.available_credits
    if shortfall > 0:
        return "INSUFFICIENT_CREDITS", {
            "required": required,
            "available": account.available_credits,
            "shortfall": shortfall,
        }
    if len(account.active_job_ids) >= policy.active_jobs_max:
        return "TOO_MANY_ACTIVE_JOBS", {
            "current": len(account.active_job_ids),
            "limit": policy.active_jobs_max,
            "active_job_ids": account.active_job_ids,
        }
    return None


def _declined(
    state: LedgerSlice,
    command: ReserveCredits,
    code: DeclineCode,
    details: dict[str, Detail],
    first_answer: FirstAnswer | None = None,
) -> ReservationDeclined:
    return ReservationDeclined(
        account_id=command.account_id,
        occurred_at=command.at,
        sequence=state.account.sequence + 1,
        balance_after=state.account.available_credits,
        job_id=command.job_id,
        code=code,
        details=details,
        first_answer=first_answer,
    )


def _change_credits(
    state: LedgerSlice, command: GrantCredits | AdjustCredits
) -> tuple[LedgerEvent, ...]:
    if is_live(state.key_use, command.at):
        return ()
    available = state.account.available_credits
    sequence = state.account.sequence + 1
    if isinstance(command, GrantCredits):
        return (
            CreditsGranted(
                account_id=command.account_id,
                occurred_at=command.at,
                sequence=sequence,
                balance_after=available + command.amount_credits,
                amount_credits=command.amount_credits,
                reason=command.reason,
                granted_by=command.granted_by,
                idempotency_key=command.idempotency_key,
            ),
        )
    # Never below zero (I03): a correction takes at most what is there, and says so.
    applied = max(command.amount_credits, -available)
    return (
        CreditsAdjusted(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=sequence,
            balance_after=available + applied,
            amount_credits=applied,
            requested_credits=command.amount_credits,
            reason=command.reason,
            adjusted_by=command.adjusted_by,
            idempotency_key=command.idempotency_key,
        ),
    )


def _answer_cancellation(
    state: LedgerSlice, command: RequestCancellation
) -> tuple[LedgerEvent, ...]:
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


def _close(
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
                key_use=KeyUse("", expiry(event)),
            )
        case CancellationAccepted():
            asked = state.reservation and replace(state.reservation, cancellation_requested=True)
            return replace(state, account=account, reservation=asked)
        case CreditsSettled(price_credits=price):
            settled = account.settled_credits + price
            return _closed(state, replace(account, settled_credits=settled), event.job_id, price)
        case CreditsRefunded(amount_credits=amount):
            return _closed(state, account, event.job_id, amount)
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


def _closed(state: LedgerSlice, account: Account, job_id: str, price_credits: int) -> LedgerSlice:
    return LedgerSlice(
        account=replace(
            account,
            reserved_credits=account.reserved_credits - price_credits,
            active_job_ids=tuple(job for job in account.active_job_ids if job != job_id),
        ),
        reservation=None,
        key_use=state.key_use,
    )


def is_expired(key_use: KeyUse, at: datetime) -> bool:
    """Say whether a key's record may be dropped."""
    return not is_live(key_use, at)
