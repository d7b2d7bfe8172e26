"""Laws of the ledger over the events of any story, never over the state in between."""

from functools import reduce

from hypothesis import strategies as st

from domain import ledger
from domain.catalogue import CATALOGUE, price_credits
from domain.ledger_commands import LedgerCommand, RequestCancellation
from domain.ledger_state import IDEMPOTENCY_LIFE
from schemas.ledger import (
    CancellationAccepted,
    CancellationDeclined,
    CreditChangeDeclined,
    CreditsAdjusted,
    CreditsGranted,
    CreditsRefunded,
    CreditsRefundedByHand,
    CreditsReserved,
    CreditsSettled,
    FirstAnswer,
    FirstChange,
    HandRefundDeclined,
    LedgerEvent,
    ReservationDeclined,
)
from tests.domain.laws import whatever
from tests.domain.ledger_book import Book, decide, evolve
from tests.domain.ledger_stories import POLICY, by_account, commands, played

Story = list[LedgerCommand]
DECLINES = (ReservationDeclined, CreditChangeDeclined, HandRefundDeclined)


def amount(event: LedgerEvent) -> int:
    """What an event moved, by its own words."""
    match event:
        case CreditsGranted(amount_credits=credits) | CreditsAdjusted(amount_credits=credits):
            return credits
        case CreditsReserved(price_credits=price):
            return -price
        case CreditsRefunded(amount_credits=credits):
            return credits
        case CreditsRefundedByHand(amount_credits=credits):
            return credits
        case _:
            return 0


@whatever(story=commands())
def test_balances_chain_and_are_never_below_zero_and_steps_are_counted(story: Story):
    """I01, I02, I03, I18."""
    for events in by_account(played(story)).values():
        balance = 0
        for count, event in enumerate(events, start=1):
            balance += amount(event)
            assert event.balance_after == balance >= 0
            assert event.sequence == count


@whatever(story=commands())
def test_what_was_granted_is_available_reserved_or_settled_after_every_event(story: Story):
    """I01: the sums are taken from the events; what the ledger remembers must say the same."""
    book = Book()
    granted = dict.fromkeys(("alice", "bob"), 0)
    settled = dict.fromkeys(("alice", "bob"), 0)
    open_prices: dict[str, dict[str, int]] = {"alice": {}, "bob": {}}
    for step in played(story):
        for event in step.events:
            owner = event.account_id
            match event:
                case CreditsGranted() | CreditsAdjusted():
                    granted[owner] += event.amount_credits
                case CreditsReserved():
                    open_prices[owner][event.job_id] = event.price_credits
                case CreditsSettled():
                    settled[owner] += open_prices[owner].pop(event.job_id)
                case CreditsRefundedByHand(amount_credits=credits):
                    settled[owner] -= credits
                case CreditsRefunded():
                    del open_prices[owner][event.job_id]
                case _:
                    pass
            book = evolve(book, event)
            account = book.accounts[owner]
            reserved = sum(open_prices[owner].values())
            assert granted[owner] == event.balance_after + reserved + settled[owner]
            assert (
                account.granted_credits,
                account.available_credits,
                account.reserved_credits,
                account.settled_credits,
                account.active_job_ids,
            ) == (
                granted[owner],
                event.balance_after,
                reserved,
                settled[owner],
                tuple(open_prices[owner]),
            )


@whatever(story=commands())
def test_a_job_is_charged_once_by_the_catalogue_and_closed_once_with_the_same_price(story: Story):
    """I04, I05, I06, I08, I14, I20; and given back by hand once, after it was kept."""
    prices: dict[str, int] = {}
    closed: set[str] = set()
    kept: set[str] = set()
    for step in played(story):
        for event in step.events:
            match event:
                case CreditsReserved():
                    assert event.job_id not in prices
                    model = CATALOGUE[event.settings.model]
                    assert event.price_credits == price_credits(model, event.settings)
                    prices[event.job_id] = event.price_credits
                case (
                    CreditsSettled(price_credits=credits) | CreditsRefunded(amount_credits=credits)
                ):
                    assert event.job_id not in closed
                    assert credits == prices[event.job_id]
                    closed.add(event.job_id)
                    if isinstance(event, CreditsSettled):
                        kept.add(event.job_id)
                case CreditsRefundedByHand(amount_credits=credits):
                    assert credits == prices[event.job_id]
                    kept.remove(event.job_id)
                case CancellationAccepted():
                    assert event.job_id in prices
                    assert event.job_id not in closed
                case _:
                    pass


@whatever(story=commands())
def test_a_key_buys_one_job_within_its_life_and_repeats_get_its_first_answer(story: Story):
    """I11, I12."""
    first: dict[tuple[str, str], CreditsReserved] = {}
    for step in played(story):
        for event in step.events:
            key = (event.account_id, getattr(step.command, "idempotency_key", ""))
            if isinstance(event, CreditsReserved):
                earlier = first.get(key)
                if earlier is not None:
                    assert event.occurred_at >= earlier.occurred_at + IDEMPOTENCY_LIFE
                first[key] = event
            elif isinstance(event, ReservationDeclined) and event.code == "IDEMPOTENT_REPLAY":
                answer = first[key]
                assert event.first_answer == FirstAnswer(
                    job_id=answer.job_id,
                    price_credits=answer.price_credits,
                    balance_after=answer.balance_after,
                    reserved_at=answer.occurred_at,
                )


@whatever(story=commands())
def test_a_key_changes_credits_once_within_its_life_and_repeats_get_what_it_came_to(story: Story):
    """I12, I14."""
    first: dict[tuple[str, str], CreditsGranted | CreditsAdjusted | CreditsRefundedByHand] = {}
    for step in played(story):
        for event in step.events:
            key = (event.account_id, getattr(step.command, "idempotency_key", ""))
            if isinstance(event, CreditsGranted | CreditsAdjusted | CreditsRefundedByHand):
                earlier = first.get(key)
                if earlier is not None:
                    assert event.occurred_at >= earlier.occurred_at + IDEMPOTENCY_LIFE
                first[key] = event
            elif (
                isinstance(event, CreditChangeDeclined | HandRefundDeclined)
                and event.code == "IDEMPOTENT_REPLAY"
            ):
                made = first[key]
                assert event.first_change == FirstChange(
                    amount_credits=made.amount_credits,
                    balance_after=made.balance_after,
                    changed_at=made.occurred_at,
                )


@whatever(story=commands())
def test_nobody_ever_has_more_active_jobs_than_the_limit_when_one_is_admitted(story: Story):
    """I17, S0-33."""
    for events in by_account(played(story)).values():
        active: set[str] = set()
        for event in events:
            if isinstance(event, CreditsReserved):
                active.add(event.job_id)
                assert len(active) <= POLICY.active_jobs_max
            elif isinstance(event, CreditsSettled | CreditsRefunded):
                active.remove(event.job_id)


@whatever(story=commands())
def test_who_is_declined_for_want_of_credits_or_room_really_wants_it(story: Story):
    """S0-12, S0-14, S0-15: the other direction of the two laws above."""
    for step in played(story):
        for event in step.events:
            if not isinstance(event, ReservationDeclined):
                continue
            account = step.before.page(step.command).account
            if event.code == "INSUFFICIENT_CREDITS":
                assert event.details["required"] > event.balance_after  # type: ignore[operator]  # an int
            elif event.code == "TOO_MANY_ACTIVE_JOBS":
                assert len(account.active_job_ids) == POLICY.active_jobs_max


@whatever(story=commands())
def test_the_same_command_again_gives_nothing_or_the_same_refusal(story: Story):
    """I14."""
    for step in played(story):
        again = decide(step.after, step.command, POLICY)
        if isinstance(step.command, RequestCancellation):
            assert [type(event) for event in again] == [CancellationDeclined]
        elif step.events and isinstance(step.events[0], DECLINES):
            (first,) = step.events
            assert again == (first.model_copy(update={"sequence": first.sequence + 1}),)
        else:
            assert again == ()


@whatever(story=commands(), cut=st.integers(0, 25))
def test_a_ledger_folded_in_two_parts_is_the_ledger_folded_at_once(story: Story, cut: int):
    """A restart reads the first part as state and goes on from there."""
    steps = played(story)
    events = [event for step in steps for event in step.events]
    at_once = reduce(evolve, events, Book())
    first_part = reduce(evolve, events[:cut], Book())
    assert reduce(evolve, events[cut:], first_part) == at_once == steps[-1].after


@whatever(story=commands(length_max=12), other=commands(length_max=12))
def test_evolve_accepts_every_event_in_every_reachable_state(story: Story, other: Story):
    """An event already happened, so none is refused."""
    events = [event for step in played(other) for event in step.events]
    for step in played(story):
        for event in events:
            after = ledger.evolve(step.after.page(event), event)
            assert after.account.sequence == event.sequence
            assert after.account.available_credits == event.balance_after
