"""T7 and the contract: each record once, in its place, readable or set aside."""

import pytest

from replay import unique_ids
from replay.audit import Audit
from replay.partition_audit import View
from replay.partition_end import check_end
from replay.unique_ids import UniqueIds
from runtime.partitions import partition_of
from tests.replay.world import NAMESPACE, delivered_world, only_violation, rules, violations


def test_an_event_id_that_stands_twice_is_named_with_both_places_T7():
    world = delivered_world()
    request = world.envelope("requests", "GenerationRequested")
    world.append("requests", request)
    found = violations(world.audit())
    assert found == {"event_ids": ["one event id stands at requests[0]@2, requests[0]@4"]}


def test_an_event_id_that_stands_in_two_topics_is_named_T7():
    ids = UniqueIds()
    ids.add("one", "requests", 3, 10)
    ids.add("two", "ledger.events", 3, 10)
    ids.add("one", "generation.events", 255, 2**40)
    assert list(ids.repeats()) == [["requests[3]@10", f"generation.events[255]@{2**40}"]]


def test_ids_of_a_long_log_are_compared_part_by_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unique_ids, "HASHES_PER_PART", 10)
    ids = UniqueIds()
    for number in range(100):
        ids.add(f"id {number}", "requests", 0, number)
    assert list(ids.repeats()) == []
    ids.add("id 7", "requests", 0, 100)
    assert list(ids.repeats()) == [["requests[0]@7", "requests[0]@100"]]


def test_an_account_outside_of_its_partition_is_named_I18():
    world = delivered_world()
    count = 8
    number = partition_of("alice", count)
    for read, expected in ((number, {}), ((number + 1) % count, {"contract"})):
        audit = Audit(rules(world.now, partition_count=count), None)
        part = audit.partition(read, View(namespace=NAMESPACE, exact=True))
        world.feed(part)
        check_end(part)
        assert violations(audit.report()).keys() == set(expected)


def test_an_event_in_a_topic_that_is_not_its_own_is_named():
    world = delivered_world()
    granted = world.envelope("requests", "CreditGrantRequested")
    world.append("generation.events", granted)
    found = violations(world.audit())["contract"]
    assert "CreditGrantRequested of account alice belongs to requests" in found[0]


def test_an_unreadable_record_must_be_among_the_dead_letters():
    world = delivered_world()
    world.unreadable.append(("requests", 7))
    assert "requests[0]@7 cannot be read" in only_violation(world.audit(), "contract")
    headers = {
        "dead_letter_topic": "test.requests",
        "dead_letter_partition": "0",
        "dead_letter_offset": "7",
        "dead_letter_reason": "bad_body",
    }
    world.dead_letters.append(("requests", headers))
    report = world.audit()
    assert report.ok
    assert report.totals.dead_letters_by_reason == {"bad_body": 1}


def test_an_unreadable_record_that_nobody_has_reached_may_wait():
    world = delivered_world()
    world.unreadable.append(("requests", 7))
    assert world.audit(strict_end=False).ok


def test_a_dead_letter_without_its_reason_is_named():
    world = delivered_world()
    headers = {"dead_letter_topic": "test.requests", "dead_letter_offset": "7"}
    world.dead_letters.append(("requests", headers))
    assert only_violation(world.audit(), "dead_letters") == (
        "requests.dead-letter[0]@0 lacks dead_letter_partition, dead_letter_reason"
    )
