"""The refund table: what each way of ending means for credits, alerts and retries. Data, not code.

`decide` and the download read it; nothing else says what a failure leads to, and no code is asked.
Source: S0-78 to S0-83, S0-88, C17, C18, C28.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.failure import FailureCategory

Alert = Literal["never", "at_end", "at_once"]
Retry = Literal["never", "submission", "download", "until_deadline"]


@dataclass(frozen=True, slots=True)
class RefundRule:
    """One row: what follows when something goes wrong so.

    `alert`: whether operators are told when the job ends so, or as soon as it is met while the job
    goes on. `retry`: what we ourselves do again; it says nothing of what the owner may do.
    """

    meaning: str
    refund: bool
    alert: Alert
    retry: Retry


@dataclass(frozen=True, slots=True)
class CancelRule:
    """One row: what a cancellation gives back, by whether the provider had been asked."""

    meaning: str
    submitted: bool
    refund: bool


REFUND_BY_FAILURE: Mapping[FailureCategory, RefundRule] = {
    "provider_refusal": RefundRule(
        "The provider refuses what was asked: its safety filter, or the request itself.",
        refund=True,
        alert="never",
        retry="never",
    ),
    "provider_error": RefundRule(
        "The provider worked and failed, or has lost the work.",
        refund=True,
        alert="never",
        retry="never",
    ),
    "provider_unavailable": RefundRule(
        "The provider is out of reach or busy, and surely began nothing.",
        refund=True,
        alert="never",
        retry="submission",
    ),
    "provider_quota": RefundRule(
        "Our quota at the provider is used up.",
        refund=True,
        alert="at_end",
        retry="submission",
    ),
    "provider_setup": RefundRule(
        "The provider does not serve us: key, permission, billing, model or address.",
        refund=True,
        alert="at_once",
        retry="never",
    ),
    "submission_unknown": RefundRule(
        "Nobody knows whether the provider began: it is not asked twice.",
        refund=True,
        alert="at_end",
        retry="never",
    ),
    "generation_timeout": RefundRule(
        "The work took longer than a job may take.",
        refund=True,
        alert="never",
        retry="never",
    ),
    "download_error": RefundRule(
        "The finished file could not be fetched, or is no video.",
        refund=True,
        alert="never",
        retry="download",
    ),
    "storage_error": RefundRule(
        "Our store will not take the file: quota, permission, or another file in its place.",
        refund=True,
        alert="at_end",
        retry="never",
    ),
    "storage_unavailable": RefundRule(
        "Our store does not answer as it should; this may pass.",
        refund=True,
        alert="at_end",
        retry="download",
    ),
    "system_error": RefundRule(
        "A fault of our own that nobody foresaw.",
        refund=True,
        alert="at_once",
        retry="until_deadline",
    ),
}

CANCEL_RULES: tuple[CancelRule, ...] = (
    CancelRule("Cancelled before the provider was asked.", submitted=False, refund=True),
    CancelRule("Cancelled after the provider was asked.", submitted=True, refund=False),
)

ALERT_WORDS: Mapping[Alert, str] = {
    "never": "no",
    "at_end": "when the job ends so",
    "at_once": "at once, even while the job goes on",
}
RETRY_WORDS: Mapping[Retry, str] = {
    "never": "never",
    "submission": "the submission: 3 attempts",
    "download": "the download: 3 attempts",
    "until_deadline": "until the job's deadline",
}


def refunds_cancellation(*, submitted: bool) -> bool:
    """Say whether a cancelled job's price goes back: only if the provider was never asked (C28)."""
    return next(rule.refund for rule in CANCEL_RULES if rule.submitted == submitted)
