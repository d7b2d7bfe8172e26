"""What the owner of a failed job is told."""

from datetime import timedelta

import pytest

from domain.failures import (
    ProviderFault,
    download_failed,
    provider_failed,
    provider_rejected,
    safety_blocked,
    storage_failed,
    submission_unknown,
    timed_out,
)
from schemas.failure import Failure

FAULT = ProviderFault(kind="permanent", started="no", message="No.", status=500, code="INTERNAL")
BARE = ProviderFault(kind="permanent", started="no", message="No.")


@pytest.mark.parametrize(
    ("failure", "category", "code", "details"),
    [
        (
            safety_blocked(("violence", "x" * 501)),
            "provider_refusal",
            "SAFETY_FILTER_BLOCKED",
            {"category": "safety", "reasons": ("violence", "x" * 500)},
        ),
        (
            provider_rejected(FAULT),
            "provider_refusal",
            "PROVIDER_REJECTED",
            {"provider_status": 500, "provider_code": "INTERNAL"},
        ),
        (provider_failed(BARE), "provider_error", "PROVIDER_ERROR", {}),
        (
            submission_unknown(FAULT),
            "submission_unknown",
            "SUBMISSION_UNKNOWN",
            {"provider_status": 500, "provider_code": "INTERNAL"},
        ),
        (submission_unknown(None), "submission_unknown", "SUBMISSION_UNKNOWN", {}),
        (
            timed_out(timedelta(minutes=15, seconds=12)),
            "generation_timeout",
            "GENERATION_TIMEOUT",
            {"duration_minutes": 15.2},
        ),
        (
            download_failed("HTTP 404", attempts=3),
            "download_error",
            "DOWNLOAD_FAILED",
            {"reason": "HTTP 404", "attempts": 3},
        ),
        (download_failed("x" * 501), "download_error", "DOWNLOAD_FAILED", {"reason": "x" * 500}),
        (storage_failed("quota"), "storage_error", "STORAGE_FAILED", {"reason": "quota"}),
    ],
)
def test_a_failure_says_what_happened_and_what_to_do(failure: Failure, category, code, details):
    """S0-84 to S0-88, I22."""
    assert (failure.category, failure.code, failure.details) == (category, code, details)
    assert failure.retryable
    assert failure.message.endswith("Your credits were returned.")
    assert failure.suggested_action
