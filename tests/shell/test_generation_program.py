"""The generation processor: which jobs it opens, what it remembers, which ids follow."""

from dataclasses import replace

import pytest

from domain.generation_commands import (
    BeginSubmission,
    CheckDeadline,
    RecordCancellation,
    RecordMedia,
    RecordOutput,
    RecordPoll,
    RecordSubmission,
    RecordSubmissionFault,
)
from domain.generation_state import Limits
from processors.generation import GenerationProgram, JobCommand, OpenJob, job_key, open_job
from runtime.event_log.program import LaneCompanion, LaneHandle
from schemas.envelope import Envelope, derived_event_id
from schemas.topics import EVENT_TYPES
from tests.contract.frozen import VALID
from tests.domain.examples import AT, BUSY, MEDIA, MINUTE, job_id
from tests.domain.job_examples import (
    OPERATION,
    SOURCE,
    cancelled,
    completed,
    downloading,
    intended,
    polled,
    submitted,
)
from tests.domain.ledger_answers import cancellation_accepted, reserved
from tests.shell.lane_in_memory import TRACE, Batch, FakeLane, arriving

KEY = job_key(job_id())


def no_companion(_lane: LaneHandle) -> LaneCompanion:
    raise AssertionError("nobody runs calls here")


def processor(limits: Limits | None = None) -> Batch:
    return Batch(GenerationProgram(limits or Limits(), no_companion))


def opened(batch: Batch) -> OpenJob:
    state = open_job(batch.overlay, job_id())
    assert state is not None
    return state


def told(batch: Batch, *commands: object) -> list[Envelope]:
    return [out for command in commands for out in batch.command(JobCommand(job_id(), command))]  # type: ignore[arg-type]  # any command


def with_a_job(*commands: object) -> Batch:
    batch = processor()
    batch.event(reserved())
    told(batch, *commands)
    batch.commit()
    return batch


def test_a_reservation_opens_a_job_and_leads_to_no_event():
    batch = processor()
    reservation = arriving(reserved())
    assert batch.envelope(reservation) == []
    job = batch.commit()[KEY]
    assert isinstance(job, OpenJob)
    assert (job.job.status, job.last_event_id, job.traceparent) == (
        "pending",
        reservation.event_id,
        TRACE,
    )


def test_a_redelivered_reservation_changes_nothing_of_an_open_job():
    """I14."""
    batch = with_a_job(BeginSubmission(AT))
    before = opened(batch)
    assert batch.event(reserved()) == []
    assert opened(batch) == before


def test_every_event_of_a_job_is_caused_by_the_one_before():
    """I44: from the reservation to the end, one chain, one story, one trace."""
    batch = processor()
    reservation = arriving(reserved())
    batch.envelope(reservation)
    chain = told(
        batch,
        BeginSubmission(AT),
        RecordSubmission(AT, 1, OPERATION),
        RecordPoll(AT, "running", 7),
        RecordOutput(AT, SOURCE),
        RecordMedia(AT, MEDIA),
    )
    assert [out.event for out in chain] == [
        intended(),
        submitted(),
        polled(7),
        downloading(),
        completed(),
    ]
    for before, out in zip([reservation, *chain], chain, strict=False):
        assert out.causation_id == before.event_id
        assert out.event_id == derived_event_id(before.event_id, out.event_type, 0)
        assert (out.correlation_id, out.traceparent) == (job_id(), TRACE)
        assert out.source == "/tapeworks/generation"
    assert batch.commit() == {KEY: None}


def test_an_end_ends_the_jobs_record():
    batch = with_a_job()
    told(batch, CheckDeadline(AT + 15 * MINUTE))
    assert batch.commit() == {KEY: None}


def test_deciding_again_after_a_crash_makes_the_same_events_with_the_same_ids():
    """I14: nothing was committed, so everything is decided again."""
    batch = with_a_job(BeginSubmission(AT))
    first = told(batch, RecordSubmission(AT, 1, OPERATION), RecordPoll(AT, "running"))
    again = Batch(batch.program, batch.states)
    assert told(again, RecordSubmission(AT, 1, OPERATION), RecordPoll(AT, "running")) == first


def test_a_command_about_a_job_that_is_over_or_was_never_there_leads_to_nothing():
    batch = processor()
    assert told(batch, BeginSubmission(AT)) == []
    assert batch.commit() == {}


def test_a_command_that_changes_nothing_writes_nothing():
    batch = with_a_job()
    assert told(batch, RecordPoll(AT, "running")) == []
    assert batch.commit() == {}


def test_a_cancellation_is_the_cause_of_what_it_ends():
    batch = with_a_job()
    cancellation = arriving(cancellation_accepted(), "the story")
    (out,) = batch.envelope(cancellation)
    assert out.event == cancelled()
    assert (out.causation_id, out.correlation_id) == (cancellation.event_id, "the story")
    assert batch.commit() == {KEY: None}


def test_a_cancellation_during_the_submission_is_remembered_until_the_answer():
    batch = with_a_job(BeginSubmission(AT))
    intent_id = opened(batch).last_event_id
    assert batch.event(cancellation_accepted(requested_by="admin")) == []
    assert opened(batch).job.cancel_requested_by == "admin"
    batch.commit()
    (first,) = told(batch, RecordSubmission(AT, 1, OPERATION))
    assert first.event == submitted()
    assert first.event_id == derived_event_id(intent_id, "GenerationSubmitted", 0)
    batch.commit()
    (second,) = told(batch, RecordCancellation(AT, "accepted"))
    assert second.event == cancelled("accepted", requested_by="admin")
    assert batch.commit() == {KEY: None}


def test_a_cancelled_job_names_its_cancellation_as_the_cause_of_its_end():
    """I44: whatever the job was told meanwhile."""
    batch = with_a_job(BeginSubmission(AT), RecordSubmission(AT, 1, OPERATION))
    cancellation = arriving(cancellation_accepted())
    assert batch.envelope(cancellation) == []
    (end,) = told(batch, RecordCancellation(AT, "too_late"))
    assert end.causation_id == cancellation.event_id
    assert end.event_id == derived_event_id(cancellation.event_id, "GenerationCancelled", 0)


def test_a_cancellation_of_a_job_that_is_over_leads_to_nothing():
    batch = processor()
    assert batch.event(cancellation_accepted()) == []
    assert batch.commit() == {}


def test_every_other_event_is_passed_over():
    batch = with_a_job()
    for example in VALID:
        name = example.text["headers"]["ce_type"].removeprefix("tapeworks.")
        event = EVENT_TYPES[name].model_validate_json(example.record.value or b"")
        if name not in ("CreditsReserved", "CancellationAccepted"):
            assert batch.event(event) == []
    assert batch.commit() == {}


def test_the_limits_it_was_given_are_in_force():
    batch = processor(replace(Limits(), submit_attempts_max=1))
    batch.event(reserved())
    outs = told(batch, BeginSubmission(AT), RecordSubmissionFault(AT, 1, BUSY))
    assert [out.event_type for out in outs] == ["SubmissionIntended", "GenerationFailed"]


def test_what_runs_beside_a_lane_is_made_for_that_lane():
    lanes: list[LaneHandle] = []

    def companion(lane: LaneHandle) -> LaneCompanion:
        lanes.append(lane)
        return no_companion(lane)

    lane = FakeLane()
    with pytest.raises(AssertionError, match="nobody runs calls here"):
        GenerationProgram(Limits(), companion).companion(lane)
    assert lanes == [lane]


def test_a_command_nobody_declared_is_a_bug():
    with pytest.raises(AssertionError, match="no rule for str"):
        processor().command("begin")


def test_every_record_it_writes_it_can_read():
    batch = with_a_job(BeginSubmission(AT), RecordSubmission(AT, 1, OPERATION))
    codec = GenerationProgram.codec
    state = batch.states.get(KEY)
    assert state is not None
    assert codec.decode(KEY, codec.encode(state)) == state
