"""What each event shows of a job, and the laws of merging. No services."""

import itertools
from functools import reduce

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from projections.batches import generation_changes
from projections.changes import Change
from projections.generations import GENERATIONS, SHOWS_NOTHING, change_of
from schemas.base import Event
from schemas.codec import decode
from schemas.envelope import Envelope
from schemas.generation import GenerationCancelled, GenerationFailed, GenerationPolled
from schemas.ledger import CreditsRefunded, CreditsSettled
from schemas.requests import GenerationRequested
from schemas.topics import EVENT_TYPES
from tests.projections.stories import (
    GENERATION,
    LEDGER,
    REQUESTS,
    TOPICS,
    Story,
    every_ending,
    job_id,
)

STORY = every_ending()


def row(*events: Event, job: str) -> Change:
    changes = [change for event in events if (change := change_of(event)) is not None]
    return reduce(GENERATIONS.merged, (c for c in changes if c["job_id"] == job))


def events_of(story: Story, *topics: str) -> list[Event]:
    return [event for topic in topics or TOPICS for event in story.events[topic]]


def ending(name: str) -> Change:
    return row(*events_of(STORY), job=job_id(name))


def test_the_picture_of_a_request_is_kept_with_its_words():
    """S2-24."""
    asked = next(e for e in STORY.events[REQUESTS] if isinstance(e, GenerationRequested))
    image_url = "https://pictures.example/fox.png"
    private = asked.private.model_copy(update={"image_url": image_url})
    change = change_of(asked.model_copy(update={"private": private}))
    assert change is not None
    assert (change["prompt"], change["image_url"]) == (asked.private.prompt, image_url)


def test_a_place_in_the_queue_never_rises():
    polls = [e for e in STORY.events[GENERATION] if isinstance(e, GenerationPolled)]
    mine = [e for e in polls if e.job_id == job_id("done")]
    assert [e.queue_position for e in mine] == [2, 1, None, None]
    for order in itertools.permutations(mine):
        assert row(*order, job=job_id("done"))["queue_position"] == 1


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("done", "completed"),
        ("failed", "failed"),
        ("cancelled before", "cancelled"),
        ("cancelled after", "cancelled"),
        ("one too many", "rejected"),
        ("too dear", "rejected"),
        ("asked again", "rejected"),
        ("under way", "processing"),
    ],
)
def test_c07_every_job_ends_in_the_status_of_its_history(name, status):
    assert ending(name)["status"] == status


def test_i09_a_failure_shows_nothing_before_its_refund():
    without_refund = [e for e in events_of(STORY) if not isinstance(e, CreditsRefunded)]
    shown = row(*without_refund, job=job_id("failed"))
    assert shown["status"] == "processing"
    assert {"failure", "refunded_credits"}.isdisjoint(shown)


def test_i09_the_refund_brings_the_status_the_failure_and_the_credits_at_once():
    refund = next(e for e in STORY.events[LEDGER] if isinstance(e, CreditsRefunded) and e.failure)
    change = change_of(refund)
    assert change is not None
    assert (change["status"], change["refunded_credits"]) == ("failed", 40)
    assert change["failure"] == {
        "category": "provider_refusal",
        "code": "SAFETY_FILTER_BLOCKED",
        "message": ("The provider's safety filter blocked this video. Your credits were returned."),
        "retryable": True,
        "suggested_action": ("Change the prompt so that it follows the provider's content policy."),
        "details": {"category": "unspecified", "reasons": ["violence"]},
    }


def test_an_end_shows_nothing_before_the_ledger_answered():
    """I09; what a cancelled job cost us is for administrators, and there at once."""
    for event in STORY.events[GENERATION]:
        if isinstance(event, GenerationFailed):
            assert change_of(event) is None
        elif isinstance(event, GenerationCancelled):
            shown = change_of(event)
            assert (shown is not None) == event.submitted
            assert shown is None or (shown["status"], shown["cost_micro_dollars"]) == (
                *("pending", 3_200_000),
            )


def test_a_refund_by_hand_changes_what_was_given_back_and_not_how_the_job_ended():
    """Decision 0020."""
    cancelled = ending("cancelled and refunded")
    assert (cancelled["status"], cancelled["refunded_credits"]) == ("cancelled", 40)
    story = every_ending()
    story.refund_by_hand(job_id("done"))
    delivered = row(*events_of(story), job=job_id("done"))
    assert (delivered["status"], delivered["refunded_credits"]) == ("completed", 80)


def test_a_job_cancelled_after_its_submission_shows_that_nothing_was_given_back():
    assert ending("cancelled after")["refunded_credits"] == 0
    assert ending("cancelled before")["refunded_credits"] == 60


def test_a_settlement_alone_completes_no_job():
    settled = [e for e in STORY.events[LEDGER] if isinstance(e, CreditsSettled)]
    assert [change_of(e) is None for e in settled] == [True, False, False]


def test_a_repeat_points_to_the_first_job_and_names_no_reason():
    again = ending("asked again")
    assert again["replay_of"] == job_id("done")
    assert "decline_code" not in again


def test_a_rejection_says_why_with_its_numbers():
    dear = ending("too dear")
    assert dear["decline_code"] == "INSUFFICIENT_CREDITS"
    assert dear["decline_details"] == {"required": 80, "available": 50, "shortfall": 30}


def test_i41_progress_never_falls():
    story = Story()
    story.grant("ada", 80)
    job = story.request("ada", "one")
    story.submit(job)
    for progress in (10, 60, 30, None):
        story.poll(job, "running", progress)
    assert row(*events_of(story), job=job)["progress_percent"] == 60


def test_i20_a_poll_after_the_end_changes_no_status():
    story = every_ending()
    story.poll(job_id("done"), "running", 90)
    assert row(*events_of(story), job=job_id("done"))["status"] == "completed"


def test_a_job_is_as_old_as_its_request_even_if_another_clock_was_behind():
    story = Story()
    story.grant("ada", 80)
    job = story.request("ada", "one")
    asked_at = story.events[REQUESTS][-1].occurred_at
    story.at = asked_at.replace(hour=3)
    story.submit(job)
    early_first = row(*events_of(story, GENERATION, LEDGER, REQUESTS), job=job)
    assert early_first["created_at"] == asked_at
    assert early_first == row(*events_of(story), job=job)


def test_every_event_type_has_a_rule_or_is_listed_as_showing_nothing():
    ruled = {type(event) for event in events_of(STORY) if not isinstance(event, SHOWS_NOTHING)}
    listed = {t for t in EVENT_TYPES.values() if issubclass(t, SHOWS_NOTHING)}
    assert ruled | listed == set(EVENT_TYPES.values())


def test_an_event_type_without_a_rule_stops_the_projection():
    class Unheard(Event):
        pass

    with pytest.raises(AssertionError, match="no rule for Unheard"):
        change_of(Unheard(account_id="ada", occurred_at=STORY.at))


def test_s0_77_an_event_of_another_account_changes_nothing():
    request = STORY.events[REQUESTS][0]
    mine = change_of(request)
    theirs = change_of(request.model_copy(update={"account_id": "eve"}))
    assert mine is not None
    assert theirs is not None
    assert GENERATIONS.merged(mine, theirs) == mine


def one_job(topics: dict[str, list[Event]], job: str) -> dict[str, list[Change]]:
    return {
        topic: [c for e in events if (c := change_of(e)) is not None and c["job_id"] == job]
        for topic, events in topics.items()
    }


JOBS = [job_id(name) for name in ("done", "failed", "cancelled before", "cancelled after")]


@whatever(job=st.sampled_from(JOBS), data=st.data())
def test_i14_no_order_of_the_topics_and_no_repeat_changes_the_row(job, data):
    changes = one_job(STORY.events, job)
    expected = reduce(GENERATIONS.merged, itertools.chain(*changes.values()))
    labels = [topic for topic in TOPICS for _ in changes[topic]]
    queues = {topic: list(changes[topic]) for topic in TOPICS}
    arrived = [queues[topic].pop(0) for topic in data.draw(st.permutations(labels))]
    repeats = data.draw(st.lists(st.sampled_from(arrived)))
    assert reduce(GENERATIONS.merged, [*arrived, *repeats]) == expected


@whatever(job=st.sampled_from(JOBS), cut=st.integers(0, 30))
def test_folding_in_two_parts_equals_folding_at_once(job, cut):
    changes = list(itertools.chain(*one_job(STORY.events, job).values()))
    cut = max(1, min(cut, len(changes) - 1))
    halves = reduce(GENERATIONS.merged, changes[:cut]), reduce(GENERATIONS.merged, changes[cut:])
    assert GENERATIONS.merged(*halves) == reduce(GENERATIONS.merged, changes)


def test_a_batch_holds_one_change_per_job():
    envelopes: list[Envelope] = [
        decode(record.key, record.value, record.headers) for record in STORY.tape[GENERATION]
    ]
    changes = generation_changes(envelopes)
    assert len(changes) == len({change["job_id"] for change in changes}) == 5
