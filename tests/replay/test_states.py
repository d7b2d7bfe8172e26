"""T5: the state topics equal the fold of the event topics."""

from dataclasses import replace
from datetime import timedelta

from domain.ledger_state import Account
from processors.generation import OpenJob
from replay.state_topics import GENERATION_CODEC, LEDGER_CODEC
from tests.replay.world import World, delivered_world, only_violation, uuid, violations

J1 = uuid("j1")


def open_world() -> World:
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.submit("j1")
    return world


def test_states_of_an_open_job_equal_the_fold_T5():
    report = open_world().audit(strict_end=False)
    assert violations(report) == {}
    assert next(c for c in report.checks if c.name == "generation_state").looked_at == 1


def test_an_account_state_that_differs_is_named_T5():
    world = delivered_world()
    states = world.states["ledger.state"]
    account = LEDGER_CODEC.decode("account/alice", states["account/alice"])
    assert isinstance(account, Account)
    states["account/alice"] = LEDGER_CODEC.encode(replace(account, available_credits=61))
    text = only_violation(world.audit(), "ledger_state")
    assert text.startswith("ledger.state[0] key account/alice has Account(available_credits=61")


def test_a_state_that_is_missing_is_named_T5():
    world = delivered_world()
    del world.states["ledger.state"]["account/alice"]
    assert "key account/alice has no such key" in only_violation(world.audit(), "ledger_state")


def test_a_state_that_outlived_its_job_is_named_T5():
    world = delivered_world()
    world.states["generation.state"] = dict(open_world().states["generation.state"])
    text = only_violation(world.audit(), "generation_state")
    assert text.startswith(f"generation.state[0] key job/{J1} has a job that is processing")
    assert "prompt" not in text


def test_a_job_state_that_differs_is_named_T5():
    world = open_world()
    states = world.states["generation.state"]
    opened = GENERATION_CODEC.decode(f"job/{J1}", states[f"job/{J1}"])
    assert isinstance(opened, OpenJob)
    other = replace(opened, job=replace(opened.job, operation_id="op-other"))
    states[f"job/{J1}"] = GENERATION_CODEC.encode(other)
    text = only_violation(world.audit(strict_end=False), "generation_state")
    assert "operation op-other" in text
    assert "operation models/veo/operations/op-j1" in text


def test_bytes_that_are_no_state_are_named_T5():
    world = delivered_world()
    world.states["ledger.state"]["account/alice"] = b"{"
    world.states["ledger.state"]["unknown/x"] = b"{}"
    found = violations(world.audit())["ledger_state"]
    assert "bytes that cannot be read (DecodeError)" in found[0]
    assert "key unknown/x has bytes that cannot be read (KeyError)" in found[1]


def test_a_job_that_the_generation_processor_has_not_seen_has_no_state_yet():
    world = delivered_world()
    world.request("j2")
    world._take("ledger")
    assert violations(world.audit(strict_end=False)) == {}


def test_a_cancellation_that_waits_for_a_submit_stands_in_the_state():
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.begin("j1")
    world.cancel("j1")
    world.run()
    assert violations(world.audit(strict_end=False)) == {}


def test_an_idempotency_key_may_be_forgotten_after_72_hours_and_not_before():
    world = delivered_world()
    del world.states["ledger.state"]["key/alice/j1"]
    assert "key/alice/j1" in only_violation(world.audit(), "ledger_state")
    assert world.audit(after=timedelta(hours=72)).ok


def test_states_of_a_log_that_moves_are_not_compared_unless_it_must_rest():
    world = delivered_world()
    del world.states["ledger.state"]["account/alice"]
    report = world.audit(strict_end=False, exact=False)
    assert report.ok
    notes = {check.name: check.note for check in report.checks}
    assert notes["ledger_state"] == "partition 0 is not at rest"
    assert violations(world.audit(exact=False))["ledger_state"] == ["partition 0 is not at rest"]
