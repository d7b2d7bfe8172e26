"""Credits that administrators give and take by hand. Pure."""

from domain.ledger_commands import AdjustCredits, GrantCredits
from domain.ledger_state import LedgerSlice, is_live
from schemas.ledger import CreditsAdjusted, CreditsGranted, LedgerEvent


def change_credits(
    state: LedgerSlice, command: GrantCredits | AdjustCredits
) -> tuple[LedgerEvent, ...]:
    """Add or take credits at an administrator's word, once per key."""
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
