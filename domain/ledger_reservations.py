"""Reservations: a job is accepted and its price taken, or it is declined. Pure."""

from domain.catalogue import CATALOGUE, price_credits, unsupported_input, unsupported_setting
from domain.ledger_commands import ReserveCredits
from domain.ledger_state import Account, KeyUse, LedgerSlice, Policy, is_live
from schemas.base import Detail
from schemas.ledger import (
    CreditsReserved,
    DeclineCode,
    FirstAnswer,
    LedgerEvent,
    ReservationDeclined,
)


def reserve(state: LedgerSlice, command: ReserveCredits, policy: Policy) -> tuple[LedgerEvent, ...]:
    """Accept and charge a job in one event, or say why not."""
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
