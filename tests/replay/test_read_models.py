"""T5, I16: the rows of Postgres equal the fold of the log. Rows are written out by hand."""

import pytest

from domain.generation_commands import RecordCancellation
from replay.audit import Audit
from replay.partition_audit import PartitionAudit, View
from replay.read_model_fold import RowComparison, RowKey, RowValues
from replay.read_models import TABLES
from tests.replay.world import (
    NAMESPACE,
    World,
    delivered_world,
    failed_world,
    media,
    rules,
    uuid,
    violations,
)

EVERYTHING = {"requests": 1000, "ledger.events": 1000, "generation.events": 1000}
J1 = uuid("j1")
OPERATION = "models/veo/operations/op-j1"
DELIVERED: RowValues = (
    "alice",
    "completed",
    40,
    None,
    OPERATION,
    media("j1").object_key,
    "a" * 64,
    2000,
)
FAILED: RowValues = ("alice", "failed", 40, 40, OPERATION, None, None, None)


def folded(world: World, offsets: dict[str, int]) -> PartitionAudit:
    view = View(namespace=NAMESPACE, exact=True, read_model_offsets=offsets)
    part = Audit(rules(world.now), None).partition(0, view)
    world.feed(part)
    return part


def transactions(world: World) -> dict[RowKey, RowValues]:
    ids = {e.event_type: e.event_id for _, e in world.log["ledger.events"]}
    rows: dict[RowKey, RowValues] = {
        ("alice", 1): (ids["CreditsGranted"], "credit_grant", 100, 100),
        ("alice", 2): (ids["CreditsReserved"], "video_4s_generation", -40, 60),
    }
    if "CreditsRefunded" in ids:
        rows["alice", 3] = (ids["CreditsRefunded"], "refund_video_generation", 40, 100)
    return rows


def compared(
    world: World, table_name: str, rows: dict[RowKey, RowValues], offsets: dict[str, int]
) -> list[str]:
    audit = Audit(rules(world.now), None)
    table = next(t for t in TABLES if t.name == table_name)
    expected = folded(world, offsets).expected_rows(table_name, ["alice", "bob"])
    check = audit.checks.generations
    comparison = RowComparison(check, table_name, table.columns, expected)
    for key, values in rows.items():
        comparison.row(key, values)
    comparison.finish()
    return violations(audit.report()).get("generations", [])


def test_the_account_of_a_delivered_video_is_as_the_log_makes_it():
    row = (60, 0, 40, 100, 3)
    assert compared(delivered_world(), "accounts", {("alice",): row}, EVERYTHING) == []


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ((61, 0, 40, 100, 3), "available_credits is 61, the log says 60"),
        ((60, 1, 40, 100, 3), "reserved_credits is 1, the log says 0"),
        ((60, 0, 41, 100, 3), "settled_credits is 41, the log says 40"),
        ((60, 0, 40, 101, 3), "granted_credits is 101, the log says 100"),
        ((60, 0, 40, 100, 2), "sequence is 2, the log says 3"),
    ],
)
def test_an_account_that_differs_in_one_column_is_named(row: RowValues, column: str):
    found = compared(delivered_world(), "accounts", {("alice",): row}, EVERYTHING)
    assert found == [f"accounts alice: {column}"]


def test_accounts_are_compared_where_postgres_stands_and_not_at_the_end_of_the_log():
    world = delivered_world()
    offsets = {**EVERYTHING, "ledger.events": 3}  # after the grant and the reservation
    assert compared(world, "accounts", {("alice",): (60, 40, 0, 100, 2)}, offsets) == []
    assert compared(world, "accounts", {}, {}) == []


@pytest.mark.parametrize("world", [delivered_world(), failed_world()])
def test_each_movement_of_credits_has_its_row_I01(world: World):
    rows = transactions(world)
    assert compared(world, "credit_transactions", rows, EVERYTHING) == []


def test_a_missing_transaction_is_named_I01():
    world = failed_world()
    rows = transactions(world)
    del rows["alice", 3]
    found = compared(world, "credit_transactions", rows, EVERYTHING)
    assert found == ["credit_transactions alice 3: the row is missing"]


def test_a_transaction_that_the_log_does_not_know_is_named_I01():
    world = delivered_world()
    rows = transactions(world) | {("alice", 4): (uuid("x"), "credit_grant", 1, 61)}
    found = compared(world, "credit_transactions", rows, EVERYTHING)
    assert found == ["credit_transactions alice 4: the log knows of no such row"]


@pytest.mark.parametrize(
    ("world", "row"), [(delivered_world(), DELIVERED), (failed_world(), FAILED)]
)
def test_an_ended_generation_is_as_the_log_makes_it(world: World, row: RowValues):
    assert compared(world, "generations", {(J1,): row}, EVERYTHING) == []


def test_a_generation_with_another_status_is_named():
    row = ("alice", "processing", *DELIVERED[2:])
    found = compared(delivered_world(), "generations", {(J1,): row}, EVERYTHING)
    assert found == [f"generations {J1}: status is 'processing', the log says 'completed'"]


@pytest.mark.parametrize(
    ("offsets", "status"),
    [
        ({"requests": 3}, "requested"),
        ({"requests": 3, "ledger.events": 3}, "pending"),
        ({"ledger.events": 3, "generation.events": 3}, "processing"),
        ({"generation.events": 7}, "downloading"),
        ({"generation.events": 9}, "completed"),
    ],
)
def test_a_generations_status_is_folded_to_postgres_own_offsets(
    offsets: dict[str, int], status: str
):
    rows = folded(delivered_world(), offsets).expected_rows("generations", ["alice"])
    assert rows[J1,][1] == status


def test_failed_and_its_refund_are_shown_together_I09():
    world = failed_world()
    offsets = {**EVERYTHING, "ledger.events": 3}  # the failure is known, its refund is not
    rows = folded(world, offsets).expected_rows("generations", ["alice"])
    assert rows[J1,][1:4] == ("processing", 40, None)


def test_a_declined_and_a_cancelled_job_are_shown_as_such():
    world = World()
    world.grant(credits_=40)
    world.request("j1")
    world.request("j2")
    world.run()
    world.submit("j1")
    world.cancel("j1")
    world.run()
    world.learn("j1", RecordCancellation(world.now, "accepted"))
    rows = folded(world, EVERYTHING).expected_rows("generations", ["alice"])
    assert rows[uuid("j2"),] == ("alice", "rejected", None, None, None, None, None, None)
    assert rows[J1,][1:4] == ("cancelled", 40, 0)
