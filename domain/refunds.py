"""The refund table: what each way of ending means for credits, alerts and retries. Data, not code.

Source: S0-78 to S0-83, C17, C18, C28.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.failure import FailureCategory


@dataclass(frozen=True, slots=True)
class RefundRule:
    """One row: what follows when a job ends so."""

    refund: bool
    alert_admin: bool
    retry: str


REFUND_BY_FAILURE: Mapping[FailureCategory, RefundRule] = {
    "provider_refusal": RefundRule(refund=True, alert_admin=False, retry="never"),
    "provider_error": RefundRule(
        refund=True, alert_admin=False, retry="3 attempts, only when surely nothing was started"
    ),
    "generation_timeout": RefundRule(refund=True, alert_admin=False, retry="never"),
    "download_error": RefundRule(refund=True, alert_admin=False, retry="3 attempts"),
    "storage_error": RefundRule(refund=True, alert_admin=True, retry="never"),
    "system_error": RefundRule(refund=True, alert_admin=True, retry="until the deadline"),
    "submission_unknown": RefundRule(refund=True, alert_admin=True, retry="never"),
}


def refunds_cancellation(*, submitted: bool) -> bool:
    """Say whether a cancelled job's price goes back: only if the provider was never asked (C28)."""
    return not submitted
