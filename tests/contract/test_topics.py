"""Who writes what: one writer per topic, one topic per event."""

from collections import Counter

from schemas.topics import (
    DEAD_LETTER_RETENTION_MS,
    EVENT_TYPES,
    PUBLIC_TOPICS,
    STATE_TOPICS,
    TOPIC_BY_EVENT,
)


def test_the_topics_are_these_with_one_writer_each():
    """Decision 0009; design.md section 2."""
    assert {(t.name, t.writer, t.key, t.retention_ms) for t in (*PUBLIC_TOPICS, *STATE_TOPICS)} == {
        ("requests", "ingress", "account_id", -1),
        ("ledger.events", "ledger", "account_id", -1),
        ("generation.events", "generation", "account_id", -1),
        ("ledger.state", "ledger", "state key", None),
        ("generation.state", "generation", "state key", None),
    }
    names = Counter(topic.name for topic in (*PUBLIC_TOPICS, *STATE_TOPICS))
    assert max(names.values()) == 1


def test_an_event_type_belongs_to_exactly_one_topic_and_has_a_name_of_its_own():
    carried = [event_type for topic in PUBLIC_TOPICS for event_type in topic.carries]
    assert max(Counter(carried).values()) == 1
    assert max(Counter(event_type.__name__ for event_type in carried).values()) == 1
    assert set(TOPIC_BY_EVENT) == set(EVENT_TYPES.values()) == set(carried)
    assert all(event_type in TOPIC_BY_EVENT[event_type].carries for event_type in carried)


def test_a_private_topic_carries_no_events():
    assert not any(topic.carries for topic in STATE_TOPICS)


def test_topic_names_hold_dots_only_so_that_no_two_metrics_collide():
    """Kafka's metric names make one of `.` and `_`."""
    assert not any("_" in topic.name for topic in (*PUBLIC_TOPICS, *STATE_TOPICS))


def test_unreadable_records_are_kept_for_ninety_days_beside_their_topic():
    assert [topic.dead_letter for topic in PUBLIC_TOPICS] == [
        "requests.dead-letter",
        "ledger.events.dead-letter",
        "generation.events.dead-letter",
    ]
    assert DEAD_LETTER_RETENTION_MS == 90 * 86_400_000
