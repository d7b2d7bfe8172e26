"""What the owner of a failed job is told."""

from datetime import timedelta

import pytest

from domain.failures import (
    ENDINGS,
    ProviderFault,
    Trouble,
    download_failed,
    never_mended,
    provider_fault,
    safety_blocked,
    storage_failed,
    submission_unknown,
    timed_out,
)
from domain.refunds import REFUND_BY_FAILURE
from domain.safety import ADVICE, UNSPECIFIED, advice
from schemas.failure import Failure

FAULT = ProviderFault(kind="permanent", started="no", message="No.", status=500, code="INTERNAL")
BARE = ProviderFault(kind="permanent", started="no", message="No.")
TOLD = {"provider_status": 500, "provider_code": "INTERNAL"}


def fault(**fields) -> Failure:
    return provider_fault(
        ProviderFault(**{"kind": "permanent", "started": "no", "message": "No.", **fields})
    )


def outlasting(category, reason, **fields) -> Failure:
    trouble = Trouble(category, "poll", reason=reason, message="for operators", **fields)
    return never_mended(trouble, timedelta(minutes=15))


CASES = [
    (
        safety_blocked(("blood", "x" * 501), "violence"),
        "provider_refusal",
        "SAFETY_FILTER_BLOCKED",
        {"category": "violence", "reasons": ("blood", "x" * 500)},
    ),
    (
        safety_blocked((), "violence", 0.5),
        "provider_refusal",
        "SAFETY_FILTER_BLOCKED",
        {"category": "violence", "confidence": 0.5},
    ),
    (
        safety_blocked(()),
        "provider_refusal",
        "SAFETY_FILTER_BLOCKED",
        {"category": "unspecified"},
    ),
    (
        fault(kind="rejected", safety_category="hate"),
        "provider_refusal",
        "SAFETY_FILTER_BLOCKED",
        {"category": "hate"},
    ),
    (
        fault(kind="rejected", status=500, code="INTERNAL"),
        "provider_refusal",
        "PROVIDER_REJECTED",
        TOLD,
    ),
    (provider_fault(FAULT), "provider_error", "PROVIDER_ERROR", TOLD),
    (provider_fault(BARE), "provider_error", "PROVIDER_ERROR", {}),
    (fault(kind="transient"), "provider_unavailable", "PROVIDER_UNAVAILABLE", {}),
    (
        fault(kind="transient", lacks="quota", status=429),
        "provider_quota",
        "PROVIDER_QUOTA_EXHAUSTED",
        {"provider_status": 429},
    ),
    (
        fault(lacks="billing", status=403),
        "provider_setup",
        "PROVIDER_MISCONFIGURED",
        {"reason": "billing", "provider_status": 403},
    ),
    (
        outlasting("provider_setup", "key", status=401, code="E"),
        "provider_setup",
        "PROVIDER_MISCONFIGURED",
        {
            "reason": "key",
            "duration_minutes": 15.0,
            "provider_status": 401,
            "provider_code": "E",
        },
    ),
    (
        outlasting("system_error", "KeyError"),
        "system_error",
        "SYSTEM_ERROR",
        {"reason": "KeyError", "duration_minutes": 15.0},
    ),
    (submission_unknown(FAULT), "submission_unknown", "SUBMISSION_UNKNOWN", TOLD),
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
    (
        storage_failed("quota", "quota: full", 1, lasting=True),
        "storage_error",
        "STORAGE_FAILED",
        {"reason": "quota", "problem": "quota: full", "attempts": 1},
    ),
    (
        storage_failed("other", "x" * 501, 3, lasting=False),
        "storage_unavailable",
        "STORAGE_UNAVAILABLE",
        {"reason": "other", "problem": "x" * 500, "attempts": 3},
    ),
]


@pytest.mark.parametrize(("failure", "category", "code", "details"), CASES)
def test_a_failure_says_what_happened_and_what_to_do(failure: Failure, category, code, details):
    """S0-84 to S0-88, I22."""
    assert (failure.category, failure.code, failure.details) == (category, code, details)
    assert failure.retryable
    assert failure.message.endswith("Your credits were returned.")
    assert failure.suggested_action


def test_every_code_belongs_to_one_category_and_every_category_has_a_code():
    assert {ending.category for ending in ENDINGS.values()} == set(REFUND_BY_FAILURE)
    assert {code for _, _, code, _ in CASES} == set(ENDINGS)


@pytest.mark.parametrize("category", sorted(ADVICE))
def test_the_advice_after_a_refusal_speaks_to_what_was_found(category):
    """S0-86."""
    assert safety_blocked((), category).suggested_action == ADVICE[category]
    assert list(ADVICE.values()).count(ADVICE[category]) == 1


def test_what_no_list_of_ours_names_is_answered_with_the_general_advice():
    assert advice("newly invented") == ADVICE[UNSPECIFIED]


def test_operators_are_promised_to_the_owner_only_where_they_are_told():
    """S0-82, S0-83."""
    for ending in ENDINGS.values():
        promised = "our operators have been told" in ending.suggested_action
        told = REFUND_BY_FAILURE[ending.category].alert != "never"
        assert told or not promised, ending
