"""`tape refunds`: what follows each way for a job to end badly."""

from rich.console import Console
from rich.table import Table

from domain.refunds import ALERT_WORDS, CANCEL_RULES, REFUND_BY_FAILURE, RETRY_WORDS


def refunds() -> None:
    """Show the refund table: credits, alerts and retries by category of failure."""
    Console().print(refund_table())


def refund_table() -> Table:
    """Make the table that the deciders go by, one row per category and per cancellation."""
    table = Table(title="what follows a failure", show_lines=True)
    for column in ("category", "it means", "credits", "operators are told", "we repeat"):
        table.add_column(column)
    for category, rule in REFUND_BY_FAILURE.items():
        credits_word = "come back" if rule.refund else "are kept"
        alert, retry = ALERT_WORDS[rule.alert], RETRY_WORDS[rule.retry]
        table.add_row(category, rule.meaning, credits_word, alert, retry)
    for cancel in CANCEL_RULES:
        credits_word = "come back" if cancel.refund else "are kept"
        table.add_row("cancelled", cancel.meaning, credits_word, "no", "never")
    return table
