"""A lane's memory: an input's changes count once kept, a batch's once committed."""

from runtime.event_log.states import Overlay, States


def test_a_change_is_seen_at_once_and_kept_or_dropped_with_its_input():
    states = States()
    states.load("a", 1)
    overlay = Overlay(states)
    overlay.put("a", 2)
    overlay.put("b", 3)
    assert (overlay.get("a"), overlay.get("b"), overlay.changed) == (2, 3, {})
    overlay.drop()
    assert (overlay.get("a"), overlay.get("b"), overlay.changed) == (1, None, {})
    overlay.put("a", 4)
    overlay.keep()
    overlay.put("a", 5)
    assert overlay.get("a") == 5
    overlay.drop()
    assert (overlay.get("a"), overlay.changed) == (4, {"a": 4})
    assert dict(states.items()) == {"a": 1}


def test_a_commit_moves_the_batch_into_memory():
    states = States()
    states.load("a", 1)
    states.load("b", 2)
    overlay = Overlay(states)
    overlay.put("a", None)
    overlay.put("c", 3)
    overlay.keep()
    overlay.commit()
    assert dict(states.items()) == {"b": 2, "c": 3}
    assert (len(states), list(states.values())) == (2, [2, 3])


def test_a_record_that_is_not_there_needs_no_tombstone():
    overlay = Overlay(States())
    overlay.put("a", None)
    overlay.keep()
    assert overlay.changed == {}


def test_a_record_that_ends_within_its_batch_still_ends_where_it_was_committed():
    states = States()
    states.load("a", 1)
    overlay = Overlay(states)
    overlay.put("a", 2)
    overlay.keep()
    overlay.put("a", None)
    overlay.keep()
    assert overlay.changed == {"a": None}
    assert overlay.get("a") is None


def test_a_tombstone_of_the_state_topic_ends_a_record_and_an_unknown_one_is_nothing():
    states = States()
    states.load("a", 1)
    states.load("a", None)
    states.load("a", None)
    assert len(states) == 0
