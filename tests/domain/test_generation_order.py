"""What comes twice, too late or out of place."""

from dataclasses import replace

import pytest

from domain.generation import decide, evolve
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
    RecordCancellation,
    RecordMedia,
    RecordMediaFailure,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordRefusal,
    RecordSubmission,
    RecordSubmissionFault,
    RecordTrouble,
    RecoverSubmission,
)
from tests.domain.examples import AT, BUSY, MEDIA, MINUTE
from tests.domain.job_examples import (
    OPERATION,
    SOURCE,
    cancelled,
    completed,
    downloading,
    failed,
    intended,
    polled,
    submitted,
)
from tests.domain.job_starts import (
    BROKEN_STEP,
    FULL_STORE,
    GONE,
    given,
    in_download,
    processing,
)
from tests.domain.ledger_answers import cancellation_accepted, reserved, settled

EVERY_COMMAND = (
    BeginSubmission(AT),
    RecordSubmission(AT, 1, OPERATION),
    RecordSubmissionFault(AT, 1, BUSY),
    RecoverSubmission(AT),
    RecordPoll(AT, "running", 50),
    RecordOutput(AT, SOURCE),
    RecordRefusal(AT, ("violence",)),
    RecordPollFault(AT, GONE),
    RecordMedia(AT, MEDIA),
    RecordMediaFailure(AT, FULL_STORE),
    RecordTrouble(AT, BROKEN_STEP),
    CheckDeadline(AT + 60 * MINUTE),
    CancelJob(AT),
    RecordCancellation(AT, "accepted"),
)
ENDS = (
    completed(),
    failed(FULL_STORE),
    cancelled("accepted"),
)


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("end", ENDS)
def test_an_end_is_never_left(end, command):
    """I14, I20."""
    ended = in_download().given(cancellation_accepted(), end)
    ended.when(command).then()
    for event in (intended(2), submitted(2), polled(), downloading(), *ENDS):
        ended.given(event).when(command).then()


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_nothing_can_happen_to_a_job_that_was_never_reserved(command):
    given().when(command).then()


@pytest.mark.parametrize(
    ("start", "understood"),
    [
        (given(reserved()), (BeginSubmission, CheckDeadline)),
        (
            given(reserved(), intended()),
            (RecordSubmission, RecordSubmissionFault, RecoverSubmission),
        ),
        (
            processing(),
            (
                RecordPoll,
                RecordOutput,
                RecordRefusal,
                RecordPollFault,
                RecordTrouble,
                CheckDeadline,
            ),
        ),
        (in_download(), (RecordMedia, RecordMediaFailure, RecordTrouble, CheckDeadline)),
    ],
)
def test_a_command_out_of_place_is_answered_with_silence(start, understood):
    """I14."""
    for command in EVERY_COMMAND:
        answered = bool(start.when(command).events)
        assert answered == isinstance(command, understood), command


def test_an_event_of_another_kind_leaves_a_job_as_it_is():
    assert evolve(processing().state, settled()) == processing().state  # type: ignore[arg-type]  # total


def test_a_status_nobody_knows_is_a_bug():
    job = processing().state
    assert job is not None
    with pytest.raises(AssertionError, match="no rule for a job that is lost"):
        decide(replace(job, status="lost"), BeginSubmission(AT))
