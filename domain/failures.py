"""The failures a job can end in, each with its code, its words and its category.

Source: S0-78 to S0-88.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from schemas.base import Detail
from schemas.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFault:
    """What a provider's adapter made of an answer that is no success.

    `kind`: `rejected` (the request itself is refused), `transient` (may pass), `permanent`.
    `started`: whether paid work has begun: `no` only where that is sure, else `unknown`.
    """

    kind: Literal["rejected", "transient", "permanent"]
    started: Literal["no", "unknown"]
    message: str
    status: int | None = None
    code: str | None = None


def safety_blocked(reasons: tuple[str, ...]) -> Failure:
    """Say that the provider's safety filter withheld the video."""
    return Failure(
        category="provider_refusal",
        code="SAFETY_FILTER_BLOCKED",
        message="The provider's safety filter blocked this video. Your credits were returned.",
        retryable=True,
        suggested_action="Change the prompt so that it follows the provider's content policy.",
        details={"category": "safety", "reasons": tuple(reason[:500] for reason in reasons)},
    )


def provider_rejected(fault: ProviderFault) -> Failure:
    """Say that the provider refused the request itself."""
    return Failure(
        category="provider_refusal",
        code="PROVIDER_REJECTED",
        message="The provider refused this request. Your credits were returned.",
        retryable=True,
        suggested_action="Change the prompt or the settings and send a new request.",
        details=_provider_details(fault),
    )


def provider_failed(fault: ProviderFault) -> Failure:
    """Say that the provider could not do the work."""
    return Failure(
        category="provider_error",
        code="PROVIDER_ERROR",
        message="The provider could not make this video. Your credits were returned.",
        retryable=True,
        suggested_action="Send the request again in a few minutes.",
        details=_provider_details(fault),
    )


def submission_unknown(fault: ProviderFault | None) -> Failure:
    """Say that nobody knows whether the provider started: it is not asked twice (C18)."""
    return Failure(
        category="submission_unknown",
        code="SUBMISSION_UNKNOWN",
        message="We could not learn whether the provider accepted this job, and never buy a "
        "video twice. Your credits were returned.",
        retryable=True,
        suggested_action="Send the request again.",
        details=_provider_details(fault) if fault else {},
    )


def timed_out(age: timedelta) -> Failure:
    """Say that the generation took longer than its limit."""
    return Failure(
        category="generation_timeout",
        code="GENERATION_TIMEOUT",
        message="The video took too long to make. Your credits were returned.",
        retryable=True,
        suggested_action="Send the request again, or try a simpler prompt.",
        details={"duration_minutes": round(age / timedelta(minutes=1), 1)},
    )


def download_failed(reason: str, attempts: int | None = None) -> Failure:
    """Say that the finished video could not be fetched whole."""
    details: dict[str, Detail] = {"reason": reason[:500]}
    if attempts is not None:
        details["attempts"] = attempts
    return Failure(
        category="download_error",
        code="DOWNLOAD_FAILED",
        message="The finished video could not be fetched. Your credits were returned.",
        retryable=True,
        suggested_action="Send the request again.",
        details=details,
    )


def storage_failed(reason: str) -> Failure:
    """Say that our own store did not take the file."""
    return Failure(
        category="storage_error",
        code="STORAGE_FAILED",
        message="The video could not be stored. Your credits were returned.",
        retryable=True,
        suggested_action="Send the request again later; our operators have been told.",
        details={"reason": reason[:500]},
    )


def _provider_details(fault: ProviderFault) -> dict[str, Detail]:
    details: dict[str, Detail] = {}
    if fault.status is not None:
        details["provider_status"] = fault.status
    if fault.code is not None:
        details["provider_code"] = fault.code
    return details
