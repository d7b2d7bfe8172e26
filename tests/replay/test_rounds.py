"""A log that is followed, round by round, without a broker: what is forgotten and what is not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from replay import shown_rows
from replay.audit import Audit
from replay.partition_audit import PartitionAudit, View
from replay.partition_end import add_totals, check_open, check_states
from replay.unique_ids import RecentIds
from tests.replay.world import LOG_TOPICS, NAMESPACE, World, delivered_world, rules, uuid

EVERYTHING = dict.fromkeys(LOG_TOPICS, 1000)


class Rounds:
    """An audit of one partition that goes on, fed with what is new in each round."""

    def __init__(self, world: World) -> None:
        self.audit = Audit.following(rules(world.now, strict_end=False))
        self._world = world
        self._fed = dict.fromkeys(LOG_TOPICS, 0)
        self.part: PartitionAudit = self.audit.partition(0, self._view({}))

    def _view(self, shown: dict[str, int], *, exact: bool = True) -> View:
        return View(namespace=NAMESPACE, exact=exact, read_model_offsets=shown)

    def round(
        self,
        *,
        topics: tuple[str, ...] = LOG_TOPICS,
        shown: dict[str, int] | None = None,
        exact: bool = True,
    ) -> list[str]:
        """Feed what is new of some topics, and give what is found wrong."""
        world, part = self._world, self.part
        self.audit.look(rules(world.now, strict_end=False), None)
        part.look(self._view(EVERYTHING if shown is None else shown, exact=exact))
        if exact:  # otherwise the states are read up to a moment before the events
            world.feed_states(part)
        for topic in LOG_TOPICS:
            if topic == "generation.events":
                part.ledger_is_fed()
            if topic in topics:
                for offset, envelope in world.log[topic][self._fed[topic] :]:
                    part.event(topic, offset, envelope)
                self._fed[topic] = len(world.log[topic])
        check_open(part)
        if exact:
            check_states(part)
        add_totals(part)
        part.forget(world.now)
        self.audit.check_ids()
        return [text for check in self.audit.checks.all() for text in check.take()[0]]


def test_a_job_whose_reservation_is_read_a_round_later_is_not_taken_for_a_stray():
    world = World()
    rounds = Rounds(world)
    world.grant()
    world.request("j1")
    world.run()
    world.submit("j1")
    late = rounds.round(topics=("requests", "generation.events"), exact=False)
    assert late == []
    assert rounds.round() == []
    assert rounds.part.jobs.stories[uuid("j1")].operation_id is not None


def test_a_job_whose_reservation_never_comes_is_named_T3():
    world = World()
    rounds = Rounds(world)
    world.grant()
    world.request("j1")
    world.run()
    world.submit("j1")
    del world.log["ledger.events"][world.find("ledger.events", "CreditsReserved")]
    found = [text for text in rounds.round() if "has no reservation, and yet" in text]
    assert f"job {uuid('j1')} of account alice" in found[0]


def test_a_refund_that_gives_another_reason_than_a_failure_rounds_ago_is_named_I22():
    world = World()
    rounds = Rounds(world)
    world.grant()
    world.request("j1")
    world.run()
    assert rounds.round() == []
    world.fail("j1")
    assert rounds.round(topics=("requests", "generation.events"), exact=False) == []
    refund = world.envelope("ledger.events", "CreditsRefunded").event
    failure = refund.failure.model_copy(update={"code": "OTHER"})  # type: ignore[attr-defined]
    offset = world.change("ledger.events", "CreditsRefunded", failure=failure)
    found = rounds.round()
    assert any(f"ledger.events[0]@{offset}: job {uuid('j1')}" in text for text in found), found


def test_what_the_ledger_forgets_is_forgotten_and_stays_right():
    """Memory is bounded by what the ledger itself remembers."""
    world = delivered_world()
    rounds = Rounds(world)
    assert rounds.round() == []
    world.seconds += int(timedelta(days=32).total_seconds())
    assert rounds.round() == []
    part = rounds.part
    assert part.jobs.stories == {}
    assert part.fold.ended == {}
    assert part.fold.key_uses == {}
    assert part.expected_rows("generations", ["alice"]) == {}
    assert not part.rows.is_whole("alice")
    assert len(part.expected_rows("accounts", ["alice"])) == 1


def test_an_open_job_is_never_forgotten_T6():
    world = World()
    rounds = Rounds(world)
    world.grant()
    world.request("j1")
    world.run()
    assert rounds.round() == []
    world.seconds += int(timedelta(days=365).total_seconds())
    assert any("its deadline was" in text for text in rounds.round())
    assert uuid("j1") in rounds.part.jobs.stories


def test_rows_follow_postgres_and_not_the_end_of_the_log_T5():
    world = delivered_world()
    rounds = Rounds(world)
    shown = {**EVERYTHING, "ledger.events": 3}  # the settlement is not in Postgres yet
    assert rounds.round(shown=shown) == []
    assert rounds.part.expected_rows("accounts", ["alice"]) == {("alice",): (60, 40, 0, 100, 2)}
    assert rounds.round() == []
    assert rounds.part.expected_rows("accounts", ["alice"]) == {("alice",): (60, 0, 40, 100, 3)}


def test_events_that_postgres_does_not_take_are_kept_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(shown_rows, "EVENTS_WAITING_MAX", 2)
    rounds = Rounds(delivered_world())
    assert rounds.round(shown={}) == []
    assert "Postgres is 2 events of " in rounds.part.rows.fault


def test_read_models_that_are_rebuilt_are_compared_no_more():
    rounds = Rounds(delivered_world())
    assert rounds.round() == []
    assert rounds.round(shown={"requests": 1}) == []
    assert "went back in" in rounds.part.rows.fault


def test_a_settlement_that_is_answered_twice_is_named_rounds_later_I01():
    world = delivered_world()
    rounds = Rounds(world)
    assert rounds.round() == []
    settled = world.envelope("ledger.events", "CreditsSettled")
    again = settled.event.model_copy(update={"sequence": 4})
    offset = world.append("ledger.events", replace(settled, event=again, event_id=uuid("again")))
    found = rounds.round()
    assert any(
        f"ledger.events[0]@{offset}" in text and "was answered already" in text for text in found
    )


def test_at_least_the_latest_ids_are_remembered():
    ids = RecentIds(ids_max=10)
    assert [ids.add(str(n), f"at {n}") for n in range(25)] == [None] * 25
    assert ids.add("24", "again") == "at 24"
    assert ids.add("15", "again") == "at 15"
    assert "3" not in ids
