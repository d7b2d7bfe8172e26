"""What a person sees of an audit."""

from io import StringIO

from rich.console import Console, RenderableType

from replay.checks import Checks, Report
from replay.follow import Round
from replay.report import heartbeat, render, render_finding
from tests.replay.world import AT, delivered_world, failed_world, uuid


def shown(report: Report) -> str:
    return printed(render(report))


def printed(what: RenderableType) -> str:
    console = Console(file=StringIO(), width=240)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above


def test_a_clean_log_is_shown_as_a_table_that_holds():
    text = shown(delivered_world().audit(submissions=[]))
    assert "Per account granted = available + reserved + settled" in text
    assert "nothing wrong" in text
    assert "1 accounts; jobs: completed 1" in text
    assert "granted 100 = available 60 + reserved 0 + settled 40; refunded 0" in text
    assert "events: generation.events 5, ledger.events 3, requests 2" in text
    assert "wrong" not in text.replace("nothing wrong", "")


def test_the_first_violation_is_shown_as_it_was_written_brackets_and_all():
    world = failed_world()
    world.change("ledger.events", "CreditsRefunded", amount_credits=39)
    text = shown(world.audit())
    assert "1 wrong" in text
    assert "ledger.events[0]@4" in text
    assert uuid("j1") in text
    assert "checks do not hold" in text
    assert "what to do: see whether the ledger workers run" in text


def test_each_check_says_what_to_do_where_it_does_not_hold():
    for check in Checks().all():
        line = printed(render_finding(check, f"{check.name} at [0]@1", AT))
        assert line.startswith(f"12:00:00 wrong {check.name}: {check.name} at [0]@1\n")
        assert f"what to do: {check.remedy[:60]}" in line


def test_a_heartbeat_tells_how_far_the_log_was_followed_and_what_was_not_looked_at():
    seen = Round(AT, events=1234, accounts=5, open_jobs=2, notes={"bill": "no [answer]"})
    assert printed(heartbeat(seen, 0)) == (
        "12:00:00 holds: 1,234 events, 5 accounts, 2 open jobs; bill: no [answer]\n"
    )
    assert printed(heartbeat(Round(AT), 3)).startswith("12:00:00 3 wrong: 0 events")
