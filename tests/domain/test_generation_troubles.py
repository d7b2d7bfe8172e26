"""What stands in the way of a job that goes on, and who is told."""

from dataclasses import replace

import pytest

from domain.failures import (
    Trouble,
    never_mended,
    poll_trouble,
    timed_out,
)
from domain.generation_commands import (
    CheckDeadline,
    RecordOutput,
    RecordPoll,
    RecordTrouble,
)
from schemas.base import Detail
from schemas.failure import Failure
from tests.domain.examples import (
    AT,
    BUSY,
    MINUTE,
    SECOND,
)
from tests.domain.job_examples import (
    SOURCE,
    alert,
    downloading,
    failed,
    polled,
)
from tests.domain.job_starts import (
    BROKEN_STEP,
    DEADLINE,
    KEY_REFUSED,
    LATE_DOWNLOAD,
    in_download,
    processing,
)


def provider_misconfigured(reason: str, **details: Detail) -> Failure:
    trouble = Trouble("provider_setup", "poll", reason=reason, message="")
    failure = never_mended(trouble, 0 * MINUTE)
    return failure.model_copy(update={"details": {"reason": reason, **details}})


def system_error(reason: str, **details: Detail) -> Failure:
    trouble = Trouble("system_error", "poll", reason=reason, message="")
    failure = never_mended(trouble, 0 * MINUTE)
    return failure.model_copy(update={"details": {"reason": reason, **details}})


TOLD_KEY = alert(
    provider_misconfigured("key", provider_status=401, provider_code="E"),
    phase="poll",
    message="No user.",
    ends_job=False,
)
TOLD_STEP = alert(
    system_error("KeyError"), phase="poll", message="KeyError: 'state'", ends_job=False
)


@pytest.mark.parametrize(("trouble", "told"), [(KEY_REFUSED, TOLD_KEY), (BROKEN_STEP, TOLD_STEP)])
def test_operators_are_told_at_once_and_once_while_the_job_goes_on(trouble, told):
    """S0-83, S0-44: log, alert and retry."""
    start = processing()
    start.when(RecordTrouble(AT, trouble)).then(told)
    start.given(told).when(RecordTrouble(AT + SECOND, trouble)).then()
    start.given(told).when(RecordOutput(AT, SOURCE)).then(downloading())


@pytest.mark.parametrize("lacks", [None, "quota"])
def test_a_poll_that_is_put_off_for_a_moment_alerts_nobody(lacks):
    """S0-48."""
    busy = poll_trouble(replace(BUSY, lacks=lacks))
    processing().when(RecordTrouble(AT, busy)).then()


def test_a_job_whose_trouble_outlasts_it_fails_by_the_trouble_and_alerts_nobody_twice():
    """S0-83: what stood in the way to the last is what it failed by, not its age."""
    start = processing().given(TOLD_KEY)
    start.when(CheckDeadline(DEADLINE)).then(
        failed(never_mended(KEY_REFUSED, 15 * MINUTE), DEADLINE)
    )
    start = in_download().given(alert(system_error("KeyError"), phase="download", ends_job=False))
    start.when(CheckDeadline(AT + 10 * MINUTE)).then(
        failed(system_error("KeyError", duration_minutes=10.0), AT + 10 * MINUTE)
    )


def test_a_job_that_could_not_be_asked_for_to_the_last_for_want_of_quota_fails_by_that():
    """S0-79: an operator is told; a poll that failed for a moment is a matter of time alone."""
    quota = poll_trouble(replace(BUSY, lacks="quota"))
    failure = never_mended(quota, 15 * MINUTE)
    processing().when(CheckDeadline(DEADLINE, quota)).then(
        alert(failure, DEADLINE, "poll"), failed(failure, DEADLINE)
    )
    processing().when(CheckDeadline(DEADLINE, poll_trouble(BUSY))).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )


def test_a_trouble_that_is_over_is_forgotten():
    """S0-44: a new key finds the job where it was."""
    start = processing().given(polled(), TOLD_KEY)
    start.when(RecordPoll(AT + SECOND, "running")).then(polled(at=AT + SECOND))
    start.given(polled(at=AT + SECOND)).when(CheckDeadline(DEADLINE)).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )
    start.given(downloading()).when(CheckDeadline(AT + 10 * MINUTE)).then(
        failed(LATE_DOWNLOAD, AT + 10 * MINUTE)
    )


def test_operators_are_told_again_of_another_trouble_but_never_of_one_twice():
    both = processing().given(TOLD_KEY, TOLD_STEP)
    both.when(RecordTrouble(AT, KEY_REFUSED)).then()
    both.when(RecordTrouble(AT, BROKEN_STEP)).then()
