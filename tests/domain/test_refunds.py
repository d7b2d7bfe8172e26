"""The refund table, row by row."""

from typing import get_args

import pytest

from domain.refunds import REFUND_BY_FAILURE, RefundRule, refunds_cancellation
from schemas.failure import FailureCategory


@pytest.mark.parametrize(
    ("category", "rule"),
    [
        ("provider_refusal", RefundRule(refund=True, alert_admin=False, retry="never")),
        ("generation_timeout", RefundRule(refund=True, alert_admin=False, retry="never")),
        ("download_error", RefundRule(refund=True, alert_admin=False, retry="3 attempts")),
        ("storage_error", RefundRule(refund=True, alert_admin=True, retry="never")),
        ("submission_unknown", RefundRule(refund=True, alert_admin=True, retry="never")),
    ],
)
def test_what_follows_a_failure_is_written_down(category, rule):
    """S0-79 to S0-82, C18."""
    assert REFUND_BY_FAILURE[category] == rule


def test_every_way_to_fail_has_a_row_and_gives_the_credits_back():
    """S0-26, S0-83, I05."""
    assert set(REFUND_BY_FAILURE) == set(get_args(FailureCategory))
    assert all(rule.refund for rule in REFUND_BY_FAILURE.values())


def test_operators_are_told_where_only_they_can_help():
    """S0-82, S0-83."""
    told = {category for category, rule in REFUND_BY_FAILURE.items() if rule.alert_admin}
    assert told == {"storage_error", "system_error", "submission_unknown"}


def test_a_cancelled_job_is_given_back_only_if_the_provider_was_never_asked():
    """C28."""
    assert refunds_cancellation(submitted=False)
    assert not refunds_cancellation(submitted=True)
