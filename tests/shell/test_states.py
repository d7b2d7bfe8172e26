"""A lane's memory: an input's changes count once kept, a batch's once committed."""

import json

from hypothesis import given
from hypothesis import strategies as st

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


def read_back(records: dict[str, bytes], used_max: int = 100) -> tuple[States, list[str]]:
    """Give states as a lane has them after its opening, and a list of what was decoded."""
    decoded: list[str] = []

    def decode(key: str, value: bytes) -> object:
        decoded.append(key)
        return json.loads(value)

    return States(records, decode, lambda state: json.dumps(state).encode(), used_max), decoded


def test_a_state_is_decoded_once_while_it_is_used():
    states, decoded = read_back({"a": b"1", "b": b"2"})
    assert (len(states), sorted(states), decoded) == (2, ["a", "b"], [])
    assert (states.get("b"), states.get("b"), states.get("c")) == (2, 2, None)
    assert (len(states), decoded) == (2, ["b"])
    assert dict(states.items()) == {"a": 1, "b": 2}
    assert set(states.values()) == {1, 2}
    assert (len(states), sorted(states)) == (2, ["a", "b"])


def test_what_was_never_decoded_is_replaced_or_ended_as_anything_else():
    states, decoded = read_back({"a": b"1", "b": b"2", "c": b"3"})
    states.load("a", 10)
    states.load("b", None)
    assert (states.get("a"), states.get("b"), len(states)) == (10, None, 2)
    assert dict(states.items()) == {"a": 10, "c": 3}
    assert decoded == ["c"]


def test_an_end_of_a_state_that_was_never_decoded_is_written():
    states, _ = read_back({"a": b"1"})
    overlay = Overlay(states)
    overlay.put("a", None)
    overlay.keep()
    assert overlay.changed == {"a": None}


SMALL = st.dictionaries(st.sampled_from("xyz"), st.integers(), max_size=3)
LARGE = st.lists(st.text(max_size=400), min_size=2, max_size=6)
USES = st.lists(
    st.tuples(
        st.sampled_from(["get", "look", "load", "end"]),
        st.sampled_from([f"{kind}/{n}" for kind in ("account", "job") for n in range(4)]),
        SMALL | LARGE,
    ),
    max_size=60,
)


@given(uses=USES)
def test_states_that_are_put_away_and_taken_out_again_are_what_they_were(uses):
    states, _ = read_back({"account/0": b"[1]", "job/0": b'["' + b"x" * 600 + b'"]'}, used_max=2)
    expected: dict[str, object] = {"account/0": [1], "job/0": ["x" * 600]}
    for use, key, state in uses:
        if use == "get":
            assert states.get(key) == expected.get(key)
        elif use == "look":
            assert states.look(key) == expected.get(key)
        else:
            states.load(key, state if use == "load" else None)
            expected.pop(key, None)
            expected.update({key: state} if use == "load" else {})
        assert len(states) == len(expected)
    assert dict(states.items()) == expected
    assert sorted(states) == sorted(expected)


def test_no_more_objects_are_kept_than_are_used():
    states, decoded = read_back({}, used_max=2)
    for n in range(4):
        states.load(f"job/{n}", n)
    assert (states.get("job/3"), states.get("job/2"), decoded) == (3, 2, [])
    assert (states.get("job/0"), decoded) == (0, ["job/0"])
    assert (states.get("job/2"), decoded) == (2, ["job/0"])
    # The one that was used longest ago made room.
    assert (states.get("job/3"), decoded) == (3, ["job/0", "job/3"])
