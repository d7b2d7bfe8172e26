"""Accounts and the movements of their credits. No services."""

import pytest

from domain.ledger_state import Account
from projections.credits import AccountRow, SequenceGapError, fold_accounts, transaction_of
from schemas.codec import decode
from schemas.envelope import Envelope
from tests.projections.stories import LEDGER, Story, every_ending, job_id


def ledger_of(story: Story) -> list[Envelope]:
    return [decode(r.key, r.value, r.headers) for r in story.tape[LEDGER]]


def reserved(prompt: str, seconds: int = 8) -> Envelope:
    story = Story()
    story.grant("ada", 80)
    story.request("ada", "one", prompt=prompt, seconds=seconds)
    return ledger_of(story)[-1]


def description(envelope: Envelope) -> str:
    transaction = transaction_of(envelope)
    assert transaction is not None
    return transaction.description


def test_s0_24_a_charge_quotes_exactly_the_first_50_characters_of_a_longer_prompt():
    prompt = "".join(chr(ord("a") + n % 26) for n in range(200))
    assert description(reserved(prompt)) == f"8s video generation: {prompt[:50]}..."


def test_s0_24_a_prompt_of_50_characters_is_quoted_whole():
    assert description(reserved("x" * 50, seconds=4)) == "4s video generation: " + "x" * 50
    assert description(reserved("x" * 51, seconds=6)) == "6s video generation: " + "x" * 50 + "..."


def test_s0_24_characters_are_counted_not_bytes():
    assert description(reserved("狐" * 51)).count("狐") == 50


@pytest.mark.parametrize("seconds", [4, 6, 8])
def test_s0_23_a_charge_is_typed_by_its_duration_and_is_negative(seconds):
    transaction = transaction_of(reserved("a fox", seconds))
    assert transaction is not None
    assert transaction.transaction_type == f"video_{seconds}s_generation"
    assert transaction.amount_credits == -10 * seconds
    assert transaction.balance_after == 80 - 10 * seconds


def test_s0_26_a_refund_is_positive_and_names_its_job():
    refund = next(
        t
        for t in map(transaction_of, ledger_of(every_ending()))
        if t is not None and t.job_id == job_id("failed") and t.amount_credits > 0
    )
    assert (refund.transaction_type, refund.amount_credits) == ("refund_video_generation", 40)
    assert job_id("failed") in refund.description


def test_a_correction_records_what_was_really_taken():
    story = Story()
    story.grant("bob", 50, reason="welcome")
    story.adjust("bob", -51)
    story.adjust("bob", -50)
    rows = [t for t in map(transaction_of, ledger_of(story)) if t is not None]
    assert [(t.transaction_type, t.amount_credits, t.balance_after) for t in rows] == [
        ("credit_grant", 50, 50),
        ("credit_adjustment", -50, 0),
    ]


def test_i01_a_refund_by_hand_is_one_movement_of_its_own_kind():
    """Decision 0020; the second refund of one job moves nothing."""
    rows = [
        t
        for t in map(transaction_of, ledger_of(every_ending()))
        if t is not None and t.job_id == job_id("cancelled and refunded")
    ]
    assert [(t.transaction_type, t.amount_credits) for t in rows] == [
        ("video_4s_generation", -40),
        ("hand_refund_video_generation", 40),
    ]
    name = job_id("cancelled and refunded")
    assert rows[1].description == f"Refund of generation {name} by hand: a bad clip"


def test_i02_balances_chain_and_end_at_the_account():
    changed, counted = fold_accounts({}, ledger_of(every_ending()))
    for account_id, row in changed.items():
        balance = 0
        for transaction in map(transaction_of, counted):
            if transaction is not None and transaction.account_id == account_id:
                balance += transaction.amount_credits
                assert transaction.balance_after == balance
        assert row.account.available_credits == balance


def test_granted_equals_available_plus_reserved_plus_settled():
    changed, _ = fold_accounts({}, ledger_of(every_ending()))
    assert {name: row.account.granted_credits for name, row in changed.items()} == {
        "ada": 400,
        "bob": 90,
    }
    for row in changed.values():
        account = row.account
        parts = account.available_credits + account.reserved_credits + account.settled_credits
        assert parts == account.granted_credits


def test_i14_an_event_that_was_applied_before_counts_no_second_time():
    ledger = ledger_of(every_ending())
    stored, counted = fold_accounts({}, ledger)
    assert fold_accounts(stored, ledger) == ({}, [])
    assert fold_accounts({}, [*ledger, *ledger]) == (stored, counted)


def test_a_missing_ledger_event_is_never_skipped_over():
    ledger = ledger_of(every_ending())
    with pytest.raises(SequenceGapError, match="account ada: expected ledger event 1, found 2"):
        fold_accounts({}, ledger[2:])


def test_the_next_event_after_the_stored_one_is_no_gap():
    ledger = ledger_of(every_ending())
    stored = AccountRow(Account(sequence=1), ledger[0].occurred_at)
    assert fold_accounts({"ada": stored}, ledger[2:3])[0]["ada"].account.sequence == 2
