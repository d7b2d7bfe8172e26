"""The failures a job can end in: what its owner is told, and what an operator is.

Each has a stable code, a category (the row of the refund table that it falls under) and details.
Source: S0-78 to S0-88.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from domain.safety import UNSPECIFIED, advice
from schemas.base import Detail
from schemas.failure import Failure, FailureCategory, Phase

Lack = Literal["key", "permission", "billing", "quota", "model", "address"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFault:
    """What a provider's adapter made of an answer that is no success.

    `kind`: `rejected` (the request itself is refused), `transient` (may pass), `permanent`.
    `started`: whether paid work has begun: `no` only where that is sure, else `unknown`.
    `lacks`: what the provider misses of ours; None where nothing of ours is in the way.
    `safety_category`: what the provider's safety filter found; None where it was another matter.
    """

    kind: Literal["rejected", "transient", "permanent"]
    started: Literal["no", "unknown"]
    message: str
    status: int | None = None
    code: str | None = None
    lacks: Lack | None = None
    safety_category: str | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that only an operator can mend, met by a job that goes on.

    `reason`: a word for the failure's details. `message`: for operators, not for the job's owner.
    """

    category: FailureCategory
    phase: Phase
    reason: str
    message: str
    status: int | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What the owner of a job that failed is told."""

    category: FailureCategory
    message: str
    suggested_action: str


ENDINGS: Mapping[str, Ending] = {
    "SAFETY_FILTER_BLOCKED": Ending(
        "provider_refusal",
        "The provider's safety filter blocked this video. Your credits were returned.",
        advice(UNSPECIFIED),
    ),
    "PROVIDER_REJECTED": Ending(
        "provider_refusal",
        "The provider refused this request. Your credits were returned.",
        "Change the prompt or the settings and send a new request.",
    ),
    "PROVIDER_ERROR": Ending(
        "provider_error",
        "The provider could not make this video. Your credits were returned.",
        "Send the request again in a few minutes.",
    ),
    "PROVIDER_UNAVAILABLE": Ending(
        "provider_unavailable",
        "The provider could not be reached or was too busy. Your credits were returned.",
        "Send the request again in a few minutes, or choose a model of another provider.",
    ),
    "PROVIDER_QUOTA_EXHAUSTED": Ending(
        "provider_quota",
        "The provider takes no more orders from us for now. Your credits were returned.",
        "Send the request again later, or choose a model of another provider; our operators have "
        "been told.",
    ),
    "PROVIDER_MISCONFIGURED": Ending(
        "provider_setup",
        "The provider does not serve us at the moment. Your credits were returned.",
        "Choose a model of another provider, or send the request again later; our operators have "
        "been told.",
    ),
    "SUBMISSION_UNKNOWN": Ending(
        "submission_unknown",
        "We could not learn whether the provider accepted this job, and never buy a "
        "video twice. Your credits were returned.",
        "Send the request again.",
    ),
    "GENERATION_TIMEOUT": Ending(
        "generation_timeout",
        "The video took too long to make. Your credits were returned.",
        "Send the request again, or try a simpler prompt.",
    ),
    "DOWNLOAD_FAILED": Ending(
        "download_error",
        "The finished video could not be fetched. Your credits were returned.",
        "Send the request again.",
    ),
    "STORAGE_FAILED": Ending(
        "storage_error",
        "The video could not be stored. Your credits were returned.",
        "Send the request again later; our operators have been told.",
    ),
    "STORAGE_UNAVAILABLE": Ending(
        "storage_unavailable",
        "The video could not be stored. Your credits were returned.",
        "Send the request again later; our operators have been told.",
    ),
    "SYSTEM_ERROR": Ending(
        "system_error",
        "Something went wrong on our side. Your credits were returned.",
        "Send the request again later; our operators have been told.",
    ),
}


def safety_blocked(
    reasons: tuple[str, ...], category: str | None = None, confidence: float | None = None
) -> Failure:
    """Say that the provider's safety filter withheld the video.

    `category` is `unspecified`, and `confidence` absent, where the provider does not tell: neither
    is ever made up (S0-86).
    """
    named = category or UNSPECIFIED
    details: dict[str, Detail] = {"category": named}
    if confidence is not None:
        details["confidence"] = confidence
    if reasons:
        details["reasons"] = tuple(reason[:500] for reason in reasons)
    return _failure("SAFETY_FILTER_BLOCKED", details, suggested_action=advice(named))


def provider_fault(fault: ProviderFault) -> Failure:
    """Say what a provider's fault means for a job that ends by it."""
    details = _provider_details(fault)
    if fault.safety_category is not None:
        return safety_blocked((), fault.safety_category)
    if fault.kind == "rejected":
        return _failure("PROVIDER_REJECTED", details)
    if fault.lacks == "quota":
        return _failure("PROVIDER_QUOTA_EXHAUSTED", details)
    if fault.lacks is not None:
        return _failure("PROVIDER_MISCONFIGURED", {"reason": fault.lacks, **details})
    if fault.kind == "transient":
        return _failure("PROVIDER_UNAVAILABLE", details)
    return _failure("PROVIDER_ERROR", details)


def submission_unknown(fault: ProviderFault | None) -> Failure:
    """Say that nobody knows whether the provider started: it is not asked twice (C18)."""
    return _failure("SUBMISSION_UNKNOWN", _provider_details(fault) if fault else {})


def operation_taken() -> ProviderFault:
    """Say that the provider gave a job the id of another job's work.

    Whose work it is nobody can tell but by who was told first; this job was not, and whether
    anything was begun for it nobody knows.
    """
    return ProviderFault(
        kind="permanent",
        started="unknown",
        message="the provider answered this order with the id of another job's work",
        code="OPERATION_TAKEN",
    )


def timed_out(age: timedelta) -> Failure:
    """Say that the generation took longer than its limit."""
    return _failure("GENERATION_TIMEOUT", {"duration_minutes": _minutes(age)})


def download_failed(reason: str, attempts: int | None = None) -> Failure:
    """Say that the finished video could not be fetched whole."""
    details: dict[str, Detail] = {"reason": reason[:500]}
    if attempts is not None:
        details["attempts"] = attempts
    return _failure("DOWNLOAD_FAILED", details)


def storage_failed(reason: str, text: str, attempts: int, *, lasting: bool) -> Failure:
    """Say that our own store did not take the file.

    `reason`: `quota`, `permission`, `conflict`, `missing` or `other`; `lasting`: no attempt of ours
    would mend it.
    """
    code = "STORAGE_FAILED" if lasting else "STORAGE_UNAVAILABLE"
    return _failure(code, {"reason": reason, "problem": text[:500], "attempts": attempts})


def never_mended(trouble: Trouble, age: timedelta) -> Failure:
    """Say that a trouble outlasted its job."""
    code = next(code for code, ending in ENDINGS.items() if ending.category == trouble.category)
    details: dict[str, Detail] = {"reason": trouble.reason, "duration_minutes": _minutes(age)}
    if trouble.status is not None:
        details["provider_status"] = trouble.status
    if trouble.code is not None:
        details["provider_code"] = trouble.code
    return _failure(code, details)


def poll_trouble(fault: ProviderFault) -> Trouble:
    """Say what a poll that is to be repeated ran into."""
    return _trouble(fault, "poll")


def refusal_trouble(fault: ProviderFault) -> Trouble:
    """Say why an order that is to be repeated was turned away."""
    return _trouble(fault, "submit")


def _trouble(fault: ProviderFault, phase: Phase) -> Trouble:
    return Trouble(
        category=provider_fault(fault).category,
        phase=phase,
        reason=fault.lacks or "unavailable",
        message=fault.message,
        status=fault.status,
        code=fault.code,
    )


def out_of_reach(provider: str) -> Trouble:
    """Say what a job waits for that may not be ordered now."""
    message = f"{provider} failed too often in a row and is left alone"
    return Trouble("provider_unavailable", "submit", reason="unavailable", message=message)


def system_trouble(phase: Phase, error: Exception) -> Trouble:
    """Say that a step of ours broke down in a way nobody foresaw."""
    name = type(error).__name__
    return Trouble("system_error", phase, reason=name, message=f"{name}: {error}")


def phase_of(failure: Failure, otherwise: Phase) -> Phase:
    """Say where a failure arose; storing is a part of the download."""
    stored = failure.category in {"storage_error", "storage_unavailable"}
    return "store" if stored else otherwise


def _failure(
    code: str, details: dict[str, Detail], *, suggested_action: str | None = None
) -> Failure:
    ending = ENDINGS[code]
    return Failure(
        category=ending.category,
        code=code,
        message=ending.message,
        # Every failed job gave its credits back and may be asked for again, changed or not (S0-88).
        retryable=True,
        suggested_action=suggested_action or ending.suggested_action,
        details=details,
    )


def _minutes(age: timedelta) -> float:
    return round(age / timedelta(minutes=1), 1)


def _provider_details(fault: ProviderFault) -> dict[str, Detail]:
    details: dict[str, Detail] = {}
    if fault.status is not None:
        details["provider_status"] = fault.status
    if fault.code is not None:
        details["provider_code"] = fault.code
    return details
