"""T4: what the providers billed, against the jobs."""

from replay.billing import SubmissionRow
from tests.replay.world import World, delivered_world, only_violation, uuid, violations


def row(job: str = "j1", operation: str | None = "op-j1", *, billed: bool = True) -> SubmissionRow:
    return SubmissionRow(
        "google", "veo", operation, f"prompt of {job}", "2026-11-21T12:00:00Z", billed
    )


def lost_world() -> World:
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.lose_submission("j1")
    return world


def test_a_job_billed_once_is_right_T4():
    report = delivered_world().audit(submissions=[row()])
    assert violations(report) == {}
    assert next(c for c in report.checks if c.name == "billing").looked_at == 1


def test_two_refused_attempts_before_the_billed_one_are_right_T4():
    refused = [row(operation=None, billed=False)] * 2
    assert delivered_world().audit(submissions=[*refused, row()]).ok


def test_a_fourth_submission_is_named_T4():
    refused = [row(operation=None, billed=False)] * 3
    report = delivered_world().audit(submissions=[*refused, row()])
    assert "was submitted 4 times, at most 3 are allowed" in only_violation(report, "billing")


def test_a_job_billed_twice_is_named_T4():
    report = delivered_world().audit(submissions=[row(), row(operation="op-other")])
    found = violations(report)["billing"]
    assert f"(jobs ['{uuid('j1')}']): the same prompt was billed 2 times for 1 jobs" in found[0]
    assert "1 billed operations that no job knows, and 0 jobs" in found[1]


def test_one_operation_billed_twice_is_named_with_its_job_T4():
    found = violations(delivered_world().audit(submissions=[row(), row()]))["billing"]
    assert found[0] == f"job {uuid('j1')} of account alice was billed 2 times"


def test_a_billed_operation_without_a_job_is_named_T4_I07():
    report = delivered_world().audit(submissions=[row(), row("nobody's", "op-x")])
    assert "google op-x (jobs [])" in violations(report)["billing"][0]


def test_an_operation_that_a_lost_answer_hid_is_listed_and_excused_T4():
    report = lost_world().audit(submissions=[row(operation="op-hidden")])
    assert violations(report) == {}
    assert report.totals.unknown_outcomes == [f"google op-hidden (jobs ['{uuid('j1')}'])"]


def test_a_lost_answer_excuses_one_operation_only_T4():
    report = lost_world().audit(submissions=[row(operation="a"), row(operation="b")])
    assert "2 billed operations that no job knows, and 1 jobs" in violations(report)["billing"][1]


def test_a_submission_under_way_is_excused_while_the_system_runs_T4():
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.begin("j1")
    assert world.audit(strict_end=False, submissions=[row()]).ok


def test_without_the_providers_list_the_check_says_so():
    report = delivered_world().audit()
    assert report.ok
    check = next(c for c in report.checks if c.name == "billing")
    assert check.note == "no provider was asked for its submissions"
