"""The audit of refunds by hand: apart from all others, and once per job (decision 0020)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.ledger import CreditsRefunded
from tests.replay.world import World, delivered_world, violations


def refunded_world() -> World:
    world = delivered_world()
    world.refund_by_hand("j1")
    world.run()
    return world


def test_a_refund_by_hand_of_a_delivered_job_breaks_no_invariant():
    """T1 to T3: the job stays delivered; the sums, chains and states hold."""
    world = refunded_world()
    world.seconds += 1
    world.refund_by_hand("j1", key="again")
    world.refund_by_hand("j1")
    world.run()
    report = world.audit()
    assert violations(report) == {}
    looked_at = {check.name: check.looked_at for check in report.checks}
    assert (looked_at["hand_refunds"], looked_at["causes"]) == (1, 6)
    totals = report.totals
    assert (totals.available_credits, totals.settled_credits) == (100, 0)
    assert (totals.refunded_credits, totals.refunded_by_hand_credits) == (0, 40)
    assert totals.jobs_by_status == {"completed": 1}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": ""}, "without a reason"),
        ({"occurred_at": World().now + timedelta(days=31)}, "but ended at"),
    ],
)
def test_a_refund_by_hand_needs_a_reason_and_comes_in_time(fields, words):
    world = refunded_world()
    world.change("ledger.events", "CreditsRefundedByHand", **fields)
    assert words in violations(world.audit())["hand_refunds"][0]


def test_a_refund_by_hand_of_another_amount_is_found():
    world = refunded_world()
    world.change("ledger.events", "CreditsRefundedByHand", amount_credits=41)
    (text,) = violations(world.audit())["hand_refunds"]
    assert "41 credits, 40 were kept" in text


def test_a_job_refunded_by_hand_twice_is_found():
    world = refunded_world()
    index = world.find("ledger.events", "CreditsRefundedByHand")
    world.append("ledger.events", world.log["ledger.events"][index][1])
    (text,) = violations(world.audit())["hand_refunds"]
    assert "was refunded already" in text


def test_a_refund_by_hand_of_an_open_job_is_found():
    world = refunded_world()
    index = world.find("ledger.events", "CreditsSettled")
    del world.log["ledger.events"][index]
    (text,) = violations(world.audit())["hand_refunds"]
    assert "has no such ended job" in text


def test_a_delivered_job_refunded_as_if_it_had_failed_is_found_still():
    """T3, I06: only a refund by hand may follow a delivery."""
    world = refunded_world()
    index = world.find("ledger.events", "CreditsSettled")
    offset, envelope = world.log["ledger.events"][index]
    settled = envelope.event
    refund = CreditsRefunded(
        account_id="alice",
        occurred_at=settled.occurred_at,
        sequence=3,
        balance_after=100,
        job_id=getattr(settled, "job_id", ""),
        amount_credits=40,
        transaction_type="refund_video_generation",
        outcome="cancelled",
    )
    world.log["ledger.events"][index] = (offset, replace(envelope, event=refund))
    found = violations(world.audit())
    assert "delivered" in found
    assert "was refunded already" in found["hand_refunds"][0]
