"""The ledger's refusals in words: the same for the POST's answer and for the job's status."""

from collections.abc import Mapping
from typing import Any

from ingress.models import GenerationError
from ingress.problem_kinds import KINDS
from ingress.problems import ProblemError, shown
from ingress.validation import KEY_HEADER


def decline_details(code: str, details: Mapping[str, Any]) -> dict[str, Any]:
    """Give a refusal's facts under every name the API promises."""
    shown_details = dict(details)
    if code == "INSUFFICIENT_CREDITS" and "shortfall" in details:
        # S0-85 calls it so.
        shown_details["deficit"] = details["shortfall"]
    return shown_details


def decline_text(code: str, details: Mapping[str, Any]) -> str:
    """Say in one sentence why the ledger refused."""
    match code:
        case "INSUFFICIENT_CREDITS":
            return (
                f"This generation costs {details.get('required')} credits; the account has "
                f"{details.get('available')}, {details.get('shortfall')} too few."
            )
        case "TOO_MANY_ACTIVE_JOBS":
            return (
                f"{details.get('current')} generations are active, and at most "
                f"{details.get('limit')} may be: wait for one to finish."
            )
        case "IDEMPOTENCY_KEY_REUSED":
            return f"The {KEY_HEADER} was used before with another body."
        case "BALANCE_TOO_LOW":
            return (
                f"The account has {details.get('available')} credits, {details.get('shortfall')} "
                "too few for this correction; nothing was taken."
            )
        case "UNKNOWN_MODEL" | "UNSUPPORTED_SETTING":
            value = details.get("value", details.get("model"))
            return f"{shown(value)!r} is not offered."
        case _:
            return f"{KINDS[code].title}." if code in KINDS else "The request was refused."


def decline_problem(code: str, details: Mapping[str, Any]) -> ProblemError:
    """Give the error answer for a refusal."""
    return ProblemError(code, decline_text(code, details), details=decline_details(code, details))


def decline_error(code: str, details: Mapping[str, Any]) -> GenerationError:
    """Give a rejected job's error (I22)."""
    kind = KINDS.get(code, KINDS["INTERNAL"])
    return GenerationError(
        code=code,
        message=decline_text(code, details),
        retryable=kind.retryable,
        suggested_action=kind.suggested_action,
        details=decline_details(code, details),
    )
