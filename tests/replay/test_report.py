"""What a person sees of an audit."""

from io import StringIO

from rich.console import Console

from replay.checks import Report
from replay.report import render
from tests.replay.world import delivered_world, failed_world, uuid


def shown(report: Report) -> str:
    console = Console(file=StringIO(), width=240)
    console.print(render(report))
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
