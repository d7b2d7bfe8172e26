"""Credits that administrators give and take by hand: grants, corrections, refunds. Pure.

Each is named by an idempotency key; a repeat is answered with what the first one came to. Source:
decision 0020.
"""

from hashlib import sha256

from domain.ledger_commands import AdjustCredits, GrantCredits, RefundByHand
from domain.ledger_state import KeyUse, LedgerSlice, expiry, is_live
from schemas.base import Detail
from schemas.ledger import (
    ChangeDeclineCode,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefundedByHand,
    FirstChange,
    HandRefundDeclined,
    LedgerEvent,
    RefundDeclineCode,
)

HAND_REFUND_TYPE = "hand_refund_video_generation"
HandMadeEvent = CreditsGranted | CreditsAdjusted | CreditsRefundedByHand


def grant(state: LedgerSlice, command: GrantCredits) -> tuple[LedgerEvent, ...]:
    """Add credits, once per key."""
    if state.key_use is not None and is_live(state.key_use, command.at):
        asked = _fingerprint("grant", command.amount_credits, command.reason)
        return _repeated_change(state, command, state.key_use, asked)
    return (
        CreditsGranted(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=state.account.sequence + 1,
            balance_after=state.account.available_credits + command.amount_credits,
            amount_credits=command.amount_credits,
            reason=command.reason,
            granted_by=command.granted_by,
            idempotency_key=command.idempotency_key,
        ),
    )


def adjust(state: LedgerSlice, command: AdjustCredits) -> tuple[LedgerEvent, ...]:
    """Add or take credits, once per key; take all that was asked for or nothing (I03)."""
    if state.key_use is not None and is_live(state.key_use, command.at):
        asked = _fingerprint("adjust", command.amount_credits, command.reason)
        return _repeated_change(state, command, state.key_use, asked)
    balance_after = state.account.available_credits + command.amount_credits
    if balance_after < 0:
        details: dict[str, Detail] = {
            "requested": command.amount_credits,
            "available": state.account.available_credits,
            "shortfall": -balance_after,
        }
        return (_change_declined(state, command, "BALANCE_TOO_LOW", details=details),)
    return (
        CreditsAdjusted(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=state.account.sequence + 1,
            balance_after=balance_after,
            amount_credits=command.amount_credits,
            reason=command.reason,
            adjusted_by=command.adjusted_by,
            idempotency_key=command.idempotency_key,
        ),
    )


def refund_by_hand(state: LedgerSlice, command: RefundByHand) -> tuple[LedgerEvent, ...]:
    """Give back the whole price that an ended job kept, once per job."""
    if state.key_use is not None and is_live(state.key_use, command.at):
        return _repeated_refund(state, command, state.key_use)
    if state.reservation is not None:
        return (_refund_declined(state, command, "JOB_STILL_ACTIVE"),)
    if state.ended is None or not is_live(state.ended, command.at):
        return (_refund_declined(state, command, "NOT_REFUNDABLE"),)
    if state.ended.refunded:
        return (_refund_declined(state, command, "ALREADY_REFUNDED"),)
    return (
        CreditsRefundedByHand(
            account_id=command.account_id,
            occurred_at=command.at,
            sequence=state.account.sequence + 1,
            balance_after=state.account.available_credits + state.ended.price_credits,
            job_id=command.job_id,
            amount_credits=state.ended.price_credits,
            transaction_type=HAND_REFUND_TYPE,
            reason=command.reason,
            refunded_by=command.refunded_by,
            idempotency_key=command.idempotency_key,
        ),
    )


def key_use_of(event: HandMadeEvent) -> KeyUse:
    """Give what the key of a change by hand stands for from now on."""
    match event:
        case CreditsGranted():
            asked = _fingerprint("grant", event.amount_credits, event.reason)
        case CreditsAdjusted():
            asked = _fingerprint("adjust", event.amount_credits, event.reason)
        case CreditsRefundedByHand():
            asked = _fingerprint("refund", event.job_id, event.reason)
    first_change = FirstChange(
        amount_credits=event.amount_credits,
        balance_after=event.balance_after,
        changed_at=event.occurred_at,
    )
    return KeyUse(asked, expiry(event), first_change=first_change)


def _fingerprint(kind: str, subject: int | str, reason: str) -> str:
    """Hash what was asked for: equal where a repeat asks for the same, whoever sends it."""
    return sha256(f"{kind}\n{subject}\n{reason}".encode()).hexdigest()


def _repeated_change(
    state: LedgerSlice, command: GrantCredits | AdjustCredits, key_use: KeyUse, asked: str
) -> tuple[LedgerEvent, ...]:
    first = key_use.first_change
    if first is None or key_use.body_sha256 != asked:
        return (_change_declined(state, command, "IDEMPOTENCY_KEY_REUSED"),)
    if first.changed_at == command.at:
        return ()  # this very request again: a repeat by its sender has a time of its own
    return (_change_declined(state, command, "IDEMPOTENT_REPLAY", first=first),)


def _repeated_refund(
    state: LedgerSlice, command: RefundByHand, key_use: KeyUse
) -> tuple[LedgerEvent, ...]:
    first = key_use.first_change
    if first is None or key_use.body_sha256 != _fingerprint(
        "refund", command.job_id, command.reason
    ):
        return (_refund_declined(state, command, "IDEMPOTENCY_KEY_REUSED"),)
    if first.changed_at == command.at:
        return ()  # as above
    return (_refund_declined(state, command, "IDEMPOTENT_REPLAY", first),)


def _change_declined(
    state: LedgerSlice,
    command: GrantCredits | AdjustCredits,
    code: ChangeDeclineCode,
    *,
    details: dict[str, Detail] | None = None,
    first: FirstChange | None = None,
) -> CreditChangeDeclined:
    return CreditChangeDeclined(
        account_id=command.account_id,
        occurred_at=command.at,
        sequence=state.account.sequence + 1,
        balance_after=state.account.available_credits,
        code=code,
        details=details or {},
        first_change=first,
    )


def _refund_declined(
    state: LedgerSlice,
    command: RefundByHand,
    code: RefundDeclineCode,
    first: FirstChange | None = None,
) -> HandRefundDeclined:
    return HandRefundDeclined(
        account_id=command.account_id,
        occurred_at=command.at,
        sequence=state.account.sequence + 1,
        balance_after=state.account.available_credits,
        job_id=command.job_id,
        code=code,
        first_change=first,
    )
