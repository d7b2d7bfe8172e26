"""The refund table, row by row: what it says is what the deciders do."""

from collections.abc import Iterator
from typing import get_args

import pytest

from domain.failures import (
    ProviderFault,
    download_failed,
    storage_failed,
    system_trouble,
)
from domain.generation import decide, evolve
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
    GenerationCommand,
    RecordCancellation,
    RecordMediaFailure,
    RecordPollFault,
    RecordSubmissionFault,
    RecordTrouble,
)
from domain.generation_state import Job, Limits
from domain.refunds import CANCEL_RULES, REFUND_BY_FAILURE, refunds_cancellation
from schemas.base import JobEvent
from schemas.failure import FailureCategory
from schemas.generation import (
    AlertRaised,
    GenerationCancelled,
    GenerationFailed,
    SubmissionIntended,
)
from schemas.ledger import CreditsRefunded, CreditsSettled
from tests.domain.examples import AT, BUSY, LOST, MINUTE, close_cancelled, close_failed
from tests.domain.job_examples import downloading, intended, submitted
from tests.domain.ledger_answers import cancellation_accepted, granted, reserved
from tests.domain.test_ledger_closing import given as ledger_given

Story = list[JobEvent]
DOWNLOADING = (intended(), submitted(), downloading())
PROCESSING = (intended(), submitted())
FULL = storage_failed("quota", "quota: full", 1, lasting=True)
AWAY = storage_failed("other", "other: HTTP 503", 3, lasting=False)
WAITS = 30 * MINUTE


def fault(**fields) -> ProviderFault:
    return ProviderFault(**{"started": "no", "message": "No.", **fields})


def told(before: tuple[JobEvent, ...], *commands: GenerationCommand) -> Story:
    """Tell a job all this; whenever it is pending again, it is submitted again at once."""
    job: Job | None = evolve(None, reserved())
    for event in before:
        job = evolve(job, event)
    story: Story = []
    for command in commands:
        for event in decide(job, command, Limits()):
            story.append(event)
            job = evolve(job, event)
    return story


def submissions(one: ProviderFault) -> Iterator[GenerationCommand]:
    """Begin and be refused, five times: more often than any rule allows."""
    at = AT
    for attempt in range(1, 6):
        yield BeginSubmission(at)
        yield RecordSubmissionFault(at, attempt, one)
        at += MINUTE


STORY_BY_CATEGORY: dict[FailureCategory, Story] = {
    "provider_refusal": told((), *submissions(fault(kind="rejected"))),
    "provider_error": told(PROCESSING, RecordPollFault(AT, fault(kind="permanent"))),
    "provider_unavailable": told((), *submissions(BUSY)),
    "provider_quota": told((), *submissions(fault(kind="transient", lacks="quota"))),
    "provider_setup": told((), *submissions(fault(kind="permanent", lacks="key"))),
    "submission_unknown": told((), *submissions(LOST)),
    "generation_timeout": told(PROCESSING, CheckDeadline(AT + WAITS)),
    "download_error": told(DOWNLOADING, RecordMediaFailure(AT, download_failed("HTTP 404", 3))),
    "storage_error": told(DOWNLOADING, RecordMediaFailure(AT, FULL)),
    "storage_unavailable": told(DOWNLOADING, RecordMediaFailure(AT, AWAY)),
    "system_error": told(
        PROCESSING,
        *(RecordTrouble(AT, system_trouble("poll", KeyError())) for _ in range(5)),
        CheckDeadline(AT + WAITS),
    ),
}


def failure_of(story: Story) -> GenerationFailed:
    (failed,) = [event for event in story if isinstance(event, GenerationFailed)]
    return failed


def test_every_way_to_fail_has_a_row_and_a_story():
    assert set(REFUND_BY_FAILURE) == set(get_args(FailureCategory)) == set(STORY_BY_CATEGORY)


@pytest.mark.parametrize("category", sorted(REFUND_BY_FAILURE))
def test_a_row_is_what_the_job_does(category: FailureCategory):
    """S0-79 to S0-83, C18: alerts and retries by the table."""
    story, rule = STORY_BY_CATEGORY[category], REFUND_BY_FAILURE[category]
    assert failure_of(story).failure.category == category
    alerts = [event for event in story if isinstance(event, AlertRaised)]
    assert [alert.category for alert in alerts] == ([] if rule.alert == "never" else [category])
    intents = [event for event in story if isinstance(event, SubmissionIntended)]
    submitted_here = isinstance(story[0], SubmissionIntended)
    assert len(intents) == ((3 if rule.retry == "submission" else 1) if submitted_here else 0)


@pytest.mark.parametrize("category", sorted(REFUND_BY_FAILURE))
def test_a_row_is_what_the_ledger_does_and_does_once(category: FailureCategory):
    """S0-26, I05: each failed job ends at net zero, exactly once, however often it is told."""
    failure = failure_of(STORY_BY_CATEGORY[category]).failure
    active = ledger_given(granted(1, 100), reserved())
    first = active.when(close_failed(failure=failure)).events
    kinds = [type(event) for event in first]
    assert kinds == [CreditsRefunded if REFUND_BY_FAILURE[category].refund else CreditsSettled]
    active.given(*first).when(close_failed(failure=failure)).then()


@pytest.mark.parametrize("rule", CANCEL_RULES, ids=lambda rule: rule.meaning)
def test_a_cancellations_row_is_what_job_and_ledger_do(rule):
    """C28."""
    job: Job | None = evolve(None, reserved())
    for event in PROCESSING if rule.submitted else ():
        job = evolve(job, event)
    job = evolve(job, cancellation_accepted())
    told = RecordCancellation(AT, "accepted") if rule.submitted else CancelJob(AT)
    (end,) = decide(job, told, Limits())
    assert isinstance(end, GenerationCancelled)
    assert end.submitted == rule.submitted
    assert refunds_cancellation(submitted=rule.submitted) == rule.refund
    active = ledger_given(granted(1, 100), reserved())
    first = active.when(close_cancelled(submitted=end.submitted)).events
    assert [type(event) for event in first] == [CreditsRefunded if rule.refund else CreditsSettled]
    active.given(*first).when(close_cancelled(submitted=end.submitted)).then()


def test_every_failure_gives_the_credits_back():
    """S0-26, S0-83."""
    assert all(rule.refund for rule in REFUND_BY_FAILURE.values())


def test_operators_are_told_where_only_they_can_help():
    """S0-82, S0-83."""
    told_of = {category: rule.alert for category, rule in REFUND_BY_FAILURE.items()}
    assert {category for category, alert in told_of.items() if alert != "never"} == {
        "provider_quota",
        "provider_setup",
        "submission_unknown",
        "storage_error",
        "storage_unavailable",
        "system_error",
    }
    assert {category for category, alert in told_of.items() if alert == "at_once"} == {
        "provider_setup",
        "system_error",
    }
