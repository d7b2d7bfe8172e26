"""T2, T3, T6: what becomes of each job."""

from dataclasses import replace
from datetime import timedelta

from domain.generation_commands import (
    BeginSubmission,
    RecordCancellation,
    RecordOutput,
    RecordSubmission,
)
from schemas.envelope import Cause
from schemas.generation import GenerationCompleted, GenerationPolled, SubmissionIntended
from schemas.ledger import CreditsRefunded
from tests.replay.world import (
    LIMITS,
    World,
    delivered_world,
    failed_world,
    media,
    only_violation,
    uuid,
    violations,
)

J1 = uuid("j1")


def open_world() -> World:
    """One job that is reserved and submitted."""
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.submit("j1")
    return world


def test_a_request_without_a_decision_is_named_T2_I04():
    world = delivered_world()
    world.request("j2")
    text = only_violation(world.audit(), "decisions")
    assert text == (
        f"requests[0]@4: the GenerationRequested of account alice (job {uuid('j2')}) has no answer"
    )


def test_a_request_that_the_ledger_has_not_reached_may_wait_while_the_system_runs():
    world = delivered_world()
    world.request("j2")
    assert world.audit(strict_end=False).ok


def test_a_request_below_the_ledgers_position_has_been_decided_or_is_lost():
    world = delivered_world()
    world.request("j2")
    world.positions["ledger"]["requests"] = 5
    assert uuid("j2") in only_violation(world.audit(strict_end=False), "decisions")


def test_a_lost_grant_is_named_and_a_repeated_one_is_not():
    world = delivered_world()
    world.grant()  # with the key of the first
    world.run()
    assert world.audit().ok
    world.grant(key="another")
    assert "CreditGrantRequested of account alice" in only_violation(world.audit(), "decisions")


def test_a_request_that_was_set_aside_needs_no_decision():
    world = delivered_world()
    world.request("j2")
    headers = {
        "dead_letter_topic": "test.requests",
        "dead_letter_partition": "0",
        "dead_letter_offset": "4",
        "dead_letter_reason": "processing_failed",
    }
    world.dead_letters.append(("requests", headers))
    report = world.audit()
    assert report.ok
    assert report.totals.dead_letters_by_reason == {"processing_failed": 1}
    assert report.totals.dead_letters == [
        "requests.dead-letter[0]@0: requests[0]@4: processing_failed"
    ]


def test_a_reservation_that_nobody_asked_for_is_named_T2():
    world = open_world()
    del world.log["requests"][world.find("requests", "GenerationRequested")]
    found = violations(world.audit(strict_end=False))
    assert J1 in found["decisions"][0]
    assert "ledger.events[0]@2" in found["causes"][0]


def test_an_answer_to_nothing_on_the_log_is_named_I01():
    world = delivered_world()
    index = world.find("ledger.events", "CreditsGranted")
    offset, envelope = world.log["ledger.events"][index]
    world.log["ledger.events"][index] = (offset, replace(envelope, causation_id=uuid("nothing")))
    found = violations(world.audit())["causes"]
    assert found[0] == (
        f"ledger.events[0]@{offset}: CreditsGranted of account alice (job None) answers "
        f"{uuid('nothing')}, which is neither in requests nor the end of a job in "
        "generation.events"
    )


def test_a_request_that_is_answered_twice_is_named_I01():
    world = failed_world()
    refund = world.envelope("ledger.events", "CreditsRefunded", "j1")
    world.append("ledger.events", replace(refund, event_id=uuid("again")))
    assert "which was answered already" in violations(world.audit())["causes"][0]


def test_a_settlement_cannot_answer_a_failure():
    world = failed_world()
    settled = delivered_world().envelope("ledger.events", "CreditsSettled", "j1")
    offset, refund = world.log["ledger.events"].pop()
    world.log["ledger.events"].append((offset, replace(refund, event=settled.event)))
    assert "CreditsSettled of account alice" in violations(world.audit())["causes"][0]


def test_a_missing_refund_is_named_T2_I05():
    world = failed_world()
    del world.log["ledger.events"][world.find("ledger.events", "CreditsRefunded")]
    text = violations(world.audit())["closings"][0]
    assert text == (
        f"ledger.events[0]@2: job {J1} of account alice ended at generation.events[0]@4, and its "
        "price is neither settled nor refunded"
    )
    assert violations(world.audit(strict_end=False))["closings"] == [text]


def test_an_end_that_the_ledger_has_not_reached_may_wait_while_the_system_runs():
    world = failed_world()
    del world.log["ledger.events"][world.find("ledger.events", "CreditsRefunded")]
    world.positions["ledger"]["generation.events"] = 4
    assert "closings" not in violations(world.audit(strict_end=False))


def test_a_refund_of_another_amount_is_named_T2_I08():
    world = failed_world()
    offset = world.change("ledger.events", "CreditsRefunded", amount_credits=39)
    text = (
        f"ledger.events[0]@{offset}: job {J1} of account alice is closed with 39 credits, "
        "40 were reserved"
    )
    assert violations(world.audit())["closings"] == [text]


def test_a_refund_without_a_reservation_is_named_I05():
    world = failed_world()
    del world.log["ledger.events"][world.find("ledger.events", "CreditsReserved")]
    assert violations(world.audit())["closings"][0].endswith(
        f"job {J1} is closed, but account alice has no reservation for it"
    )


def test_an_open_job_is_allowed_while_the_system_runs_and_not_at_its_end_I19():
    world = open_world()
    assert world.audit(strict_end=False).ok
    assert f"job {J1} of account alice is processing and has not ended" in only_violation(
        world.audit(), "closings"
    )


def test_a_reservation_may_be_as_old_as_its_deadline_and_60_seconds_T6():
    world = open_world()
    age = LIMITS.generation_timeout + timedelta(seconds=60)
    assert world.audit(strict_end=False, after=age).ok
    report = world.audit(strict_end=False, after=age + timedelta(seconds=1))
    text = only_violation(report, "deadlines")
    assert text.startswith(f"ledger.events[0]@2: job {J1} of account alice is processing")


def test_a_download_has_a_deadline_of_its_own_T6():
    world = open_world()
    world.seconds += 600
    world.learn("j1", RecordOutput(world.now, "files/1"))
    age = LIMITS.download_timeout + timedelta(seconds=60)
    assert world.audit(strict_end=False, after=age).ok
    report = world.audit(strict_end=False, after=age + timedelta(seconds=1))
    assert "is downloading" in only_violation(report, "deadlines")


def test_a_job_both_delivered_and_refunded_is_named_T3_I06():
    world = failed_world()
    failed = world.envelope("generation.events", "GenerationFailed", "j1")
    late = GenerationCompleted(
        account_id="alice",
        occurred_at=world.now,
        job_id=J1,
        media=media("j1"),
        provider="google",
        cost_micro_dollars=1,
    )
    offset = world.append("generation.events", Cause.of(failed).envelop(late, 0, "/tests"))
    found = violations(world.audit())
    assert found["delivered"][0] == (
        f"generation.events[0]@{offset}: job {J1} of account alice is delivered, and its price "
        "was refunded"
    )
    assert "is failed, and yet GenerationCompleted" in found["steps"][0]


def test_a_provider_called_without_a_reservation_is_named_T3_I07():
    world = delivered_world()
    stray = SubmissionIntended(
        account_id="alice",
        occurred_at=world.now,
        job_id=uuid("unpaid"),
        attempt=1,
        provider="google",
        model="veo-3.1",
    )
    cause = Cause(uuid("unpaid cause"), uuid("unpaid"))
    offset = world.append("generation.events", cause.envelop(stray, 0, "/tests"))
    assert only_violation(world.audit(), "intents") == (
        f"generation.events[0]@{offset}: job {uuid('unpaid')} of account alice has no "
        "reservation, and yet SubmissionIntended"
    )
    # The reservation may lie beyond what was read, where the log was cut while it grew.
    assert "intents" not in violations(world.audit(strict_end=False, exact=False))


def test_a_submission_that_does_not_follow_from_its_reservation_is_named_T3_I07():
    world = delivered_world()
    index = world.find("generation.events", "SubmissionIntended")
    offset, envelope = world.log["generation.events"][index]
    world.log["generation.events"][index] = (offset, replace(envelope, causation_id=uuid("other")))
    assert J1 in only_violation(world.audit(), "intents")


def test_a_second_operation_of_one_job_is_named_I13():
    world = open_world()
    submitted = world.envelope("generation.events", "GenerationSubmitted", "j1")
    event = submitted.event.model_copy(update={"operation_id": "op-2"})
    world.append("generation.events", replace(submitted, event=event, event_id=uuid("second")))
    found = violations(world.audit(strict_end=False))
    assert f"job {J1} of account alice has the operation op-2" in found["operations"][0]


def test_one_operation_of_two_jobs_is_named_with_both_places_I13():
    world = open_world()
    world.request("j2")
    world.run()
    operation_id = "models/veo/operations/op-j1"
    world.learn("j2", BeginSubmission(world.now), RecordSubmission(world.now, 1, operation_id))
    assert only_violation(world.audit(strict_end=False), "operations") == (
        "one provider operation stands at generation.events[0]@2, generation.events[0]@6"
    )


def test_an_end_is_never_left_I20():
    world = delivered_world()
    completed = world.envelope("generation.events", "GenerationCompleted", "j1")
    polled = GenerationPolled(
        account_id="alice", occurred_at=world.now, job_id=J1, provider_state="running"
    )
    offset = world.append("generation.events", Cause.of(completed).envelop(polled, 0, "/tests"))
    assert only_violation(world.audit(), "steps") == (
        f"generation.events[0]@{offset}: job {J1} of account alice is completed, "
        "and yet GenerationPolled"
    )


def test_an_alert_is_no_step_of_its_job_and_stands_before_its_end_S0_82():
    world = open_world()
    world.request("j2")
    world.run()
    world.lose_submission("j2")
    index = world.find("generation.events", "AlertRaised")
    (_, alert), (_, end) = world.log["generation.events"][index : index + 2]
    assert (alert.event_type, end.event_type) == ("AlertRaised", "GenerationFailed")
    assert world.audit(strict_end=False).ok
    late = Cause.of(end).envelop(alert.event, 0, "/tests")
    offset = world.append("generation.events", late)
    assert only_violation(world.audit(strict_end=False), "steps") == (
        f"generation.events[0]@{offset}: job {uuid('j2')} of account alice is failed, "
        "and yet AlertRaised"
    )


def test_a_skipped_attempt_is_named_I20():
    world = open_world()
    world.change("generation.events", "SubmissionIntended", attempt=2)
    assert (
        f"job {J1} of account alice has attempt 2 where 1 is due"
        in violations(world.audit(strict_end=False))["steps"][0]
    )


def test_a_refund_that_gives_no_reason_is_named_I22():
    world = failed_world()
    world.change("ledger.events", "CreditsRefunded", failure=None)
    assert "is refunded as failed without a failure" in only_violation(world.audit(), "failures")


def test_a_refund_that_gives_another_reason_is_named_I22():
    world = failed_world()
    refund = world.envelope("ledger.events", "CreditsRefunded").event
    assert isinstance(refund, CreditsRefunded)
    assert refund.failure is not None
    failure = refund.failure.model_copy(update={"code": "OTHER"})
    world.change("ledger.events", "CreditsRefunded", failure=failure)
    assert (
        f"job {J1} of account alice failed with PROVIDER_ERROR, its refund says OTHER"
        in only_violation(world.audit(), "failures")
    )


def test_a_cancelled_job_is_closed_by_the_rules_of_its_moment_C28():
    world = World()
    world.grant(credits_=200)
    for job in ("j1", "j2"):
        world.request(job)
    world.run()
    world.submit("j2")
    for job in ("j1", "j2"):
        world.cancel(job)
    world.run()
    world.learn("j2", RecordCancellation(world.now, "accepted"))
    report = world.audit()
    assert violations(report) == {}
    assert report.totals.jobs_by_status == {"cancelled": 2}
    assert (report.totals.refunded_credits, report.totals.settled_credits) == (40, 40)
