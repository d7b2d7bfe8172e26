"""T1: what an account has, at every position of its log."""

from dataclasses import replace
from datetime import timedelta

from replay.checks import VIOLATIONS_SHOWN_MAX
from schemas.ledger import ReservationDeclined
from tests.replay.world import World, delivered_world, failed_world, uuid, violations


def first(world: World, name: str) -> str:
    return violations(world.audit())[name][0]


def test_a_clean_log_keeps_every_invariant_and_each_was_looked_at():
    report = delivered_world().audit()
    assert violations(report) == {}
    looked_at = {check.name: check.looked_at for check in report.checks}
    assert looked_at["sums"] == looked_at["chain"] == looked_at["sequence"] == 3
    assert looked_at["event_ids"] == 2 + 3 + 5
    assert looked_at["ledger_state"] == 4  # the account, two idempotency keys, the ended job


def test_the_totals_of_a_delivered_video_add_up():
    totals = delivered_world().audit().totals
    assert (totals.granted_credits, totals.available_credits) == (100, 60)
    assert (totals.reserved_credits, totals.settled_credits) == (0, 40)
    assert totals.jobs_by_status == {"completed": 1}
    assert totals.events_by_topic == {"requests": 2, "ledger.events": 3, "generation.events": 5}


def test_a_failed_video_costs_nothing():
    report = failed_world().audit()
    assert report.ok
    assert report.totals.available_credits == 100
    assert report.totals.refunded_credits == 40
    assert report.totals.jobs_by_status == {"failed": 1}


def test_a_balance_that_does_not_follow_from_the_one_before_is_named_T1_I02():
    world = delivered_world()
    offset = world.change("ledger.events", "CreditsReserved", balance_after=61)
    text = first(world, "chain")
    assert text.startswith(f"ledger.events[0]@{offset}: account alice has balance_after 61")
    assert "100 before and -40 make 60" in text
    assert first(world, "sums").startswith(f"ledger.events[0]@{offset}: account alice")


def test_a_grant_that_credits_more_than_it_says_breaks_the_sum_T1():
    world = delivered_world()
    world.change("ledger.events", "CreditsGranted", amount_credits=99)
    assert "account alice has granted 99, available 100" in first(world, "sums")


def test_only_the_event_that_breaks_a_sum_is_named_not_all_after_it():
    world = delivered_world()
    world.change("ledger.events", "CreditsGranted", amount_credits=99)
    assert len(violations(world.audit())["sums"]) == 1


def test_a_skipped_sequence_is_named_T1_I18():
    world = delivered_world()
    offset = world.change("ledger.events", "CreditsSettled", sequence=4)
    assert first(world, "sequence") == (
        f"ledger.events[0]@{offset}: account alice goes from sequence 2 to 4"
    )


def test_a_lost_ledger_event_breaks_the_sequence():
    world = delivered_world()
    del world.log["ledger.events"][world.find("ledger.events", "CreditsReserved")]
    assert "from sequence 1 to 3" in first(world, "sequence")


def test_a_double_refund_makes_reserved_credits_negative_I03():
    world = failed_world()
    refund = world.envelope("ledger.events", "CreditsRefunded", "j1")
    again = refund.event.model_copy(update={"sequence": 4, "balance_after": 140})
    offset = world.append("ledger.events", replace(refund, event=again, event_id=uuid("again")))
    found = violations(world.audit())
    assert found["sums"][0] == (
        f"ledger.events[0]@{offset}: account alice has granted 100, available 140, reserved -40, "
        "settled 0"
    )
    assert (
        f"job {uuid('j1')} of account alice is refunded, but was refunded already"
        in found["closings"][0]
    )


def test_three_active_jobs_are_allowed_and_a_fourth_is_named_I17():
    world = World()
    world.grant(credits_=1000)
    for job in ("j1", "j2", "j3"):
        world.request(job)
    world.run()
    assert world.audit(strict_end=False).ok
    # As by a ledger with another limit than the one that is checked.
    world.ledger._policy = replace(world.ledger._policy, active_jobs_max=4)
    world.request("j4")
    world.run()
    report = world.audit(strict_end=False)
    assert "account alice has 4 active jobs, the limit is 3" in violations(report)["active_jobs"][0]


def test_an_idempotency_key_that_buys_twice_is_named_I11():
    world = World()
    world.grant()
    world.request("j1", key="once")
    world.request("j2", key="twice")
    world.run()
    index = world.find("ledger.events", "CreditsReserved", "j2")
    offset, envelope = world.log["ledger.events"][index]
    event = envelope.event.model_copy(update={"idempotency_key": "once"})
    world.log["ledger.events"][index] = (offset, replace(envelope, event=event))
    text = violations(world.audit(strict_end=False))["keys"][0]
    assert text.startswith(f"ledger.events[0]@{offset}: account alice uses the idempotency key")


def test_a_key_may_buy_again_once_its_72_hours_are_over_I11():
    world = World()
    world.grant(credits_=1000)
    world.request("j1", key="same")
    world.run()
    world.deliver("j1")
    world.seconds += int(timedelta(hours=73).total_seconds())
    world.request("j2", key="same")
    world.run()
    world.deliver("j2")
    assert violations(world.audit()) == {}


def test_a_repeat_that_answers_for_a_job_never_reserved_is_named_I12():
    world = World()
    world.grant()
    world.request("j1", key="same")
    world.request("j2", key="same")
    world.run()
    assert world.audit(strict_end=False).ok
    declined = world.envelope("ledger.events", "ReservationDeclined", "j2").event
    assert isinstance(declined, ReservationDeclined)
    assert declined.first_answer is not None
    answer = declined.first_answer.model_copy(update={"job_id": uuid("nobody's")})
    world.change("ledger.events", "ReservationDeclined", first_answer=answer)
    assert uuid("j2") in violations(world.audit(strict_end=False))["keys"][0]


def test_violations_are_shown_up_to_a_limit_and_counted_beyond_it():
    world = World()
    for number in range(25):
        world.grant(account_id=f"account-{number}")
    world.run()
    for index, (offset, envelope) in enumerate(world.log["ledger.events"]):
        event = envelope.event.model_copy(update={"sequence": 2})
        world.log["ledger.events"][index] = (offset, replace(envelope, event=event))
    check = next(c for c in world.audit().checks if c.name == "sequence")
    assert check.violation_count == 25
    assert len(check.violations) == VIOLATIONS_SHOWN_MAX == 20
