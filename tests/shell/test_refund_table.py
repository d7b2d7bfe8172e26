"""`tape refunds` shows the table that the deciders go by."""

from typer.testing import CliRunner

from domain.refunds import CANCEL_RULES, REFUND_BY_FAILURE, RETRY_WORDS
from tape.main import app
from tape.refunds import refund_table


def test_every_row_is_shown_with_what_follows():
    """S0-79 to S0-83, C28."""
    table = refund_table()
    assert table.row_count == len(REFUND_BY_FAILURE) + len(CANCEL_RULES)
    categories, _, credits_back, told, repeated = (list(column.cells) for column in table.columns)
    assert categories == [*REFUND_BY_FAILURE, *["cancelled"] * len(CANCEL_RULES)]
    assert credits_back == ["come back"] * (len(REFUND_BY_FAILURE) + 1) + ["are kept"]
    alerted = {name for name, word in zip(categories, told, strict=True) if word != "no"}
    rules = REFUND_BY_FAILURE.items()
    assert alerted == {name for name, rule in rules if rule.alert != "never"}
    assert repeated[: len(rules)] == [RETRY_WORDS[rule.retry] for _, rule in rules]


def test_it_needs_no_running_system():
    shown = CliRunner().invoke(app, ["refunds"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "provider_setup" in shown.output
