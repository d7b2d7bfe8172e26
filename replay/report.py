"""Shows a report as one table of checks and a line of totals."""

from collections import Counter
from datetime import datetime

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from replay.checks import Check, Report, Totals
from replay.follow import Round


def render(report: Report) -> RenderableType:
    """Give what a terminal shows of a report: a row per check, what is wrong, totals."""
    table = Table(
        title="the log and everything that is played from it", title_justify="left", padding=(0, 1)
    )
    table.add_column("check", no_wrap=True)
    table.add_column("what holds", ratio=1, overflow="fold")
    table.add_column("looked at", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for check in report.checks:
        sentence = f"{check.sentence} [dim]({check.id})[/]"
        table.add_row(check.name, sentence, f"{check.looked_at:,}", _verdict(check))
    return Group(table, *_findings(report), *_totals(report.totals), _summary(report))


def render_finding(check: Check, text: str, at: datetime) -> str:
    """Give the lines that tell of one thing that is wrong, as it was found at a moment."""
    return f"[dim]{at:%H:%M:%S}[/] [bold red]wrong[/] {_finding(check, text)}"


def heartbeat(round_: Round, wrong_count: int) -> str:
    """Give the line that tells how far a log was followed, and what could not be looked at."""
    verdict = f"[red]{wrong_count:,} wrong[/]" if wrong_count else "[green]holds[/]"
    notes = "".join(
        f"; [yellow]{escape(name)}: {escape(note)}[/]" for name, note in round_.notes.items()
    )
    return (
        f"[dim]{round_.at:%H:%M:%S}[/] {verdict}: {round_.events:,} events, "
        f"{round_.accounts:,} accounts, {round_.open_jobs:,} open jobs{notes}"
    )


def _finding(check: Check, text: str) -> str:
    return f"[bold red]{check.name}[/]: {escape(text)}\n  what to do: {escape(check.remedy)}"


def _findings(report: Report) -> list[str]:
    """Say below the table what is wrong, the first of each check, and what could not be seen."""
    lines = []
    for check in report.checks:
        if not check.ok:
            lines.append(_finding(check, check.violations[0]))
        elif check.note:
            lines.append(f"[yellow]{check.name}[/]: {escape(check.note)}")
    return lines


def _verdict(check: Check) -> str:
    if not check.ok:
        return f"[bold red]{check.violation_count:,} wrong[/]"
    if check.note:
        return "[yellow]not whole[/]"
    return "[green]holds[/]"


def _totals(totals: Totals) -> list[str]:
    credits_line = (
        f"credits: granted {totals.granted_credits:,} = available {totals.available_credits:,} + "
        f"reserved {totals.reserved_credits:,} + settled {totals.settled_credits:,}; "
        f"refunded {totals.refunded_credits:,}"
    )
    lines = [
        f"{totals.accounts:,} accounts; jobs: {_counted(totals.jobs_by_status)}",
        credits_line,
        f"events: {_counted(totals.events_by_topic)}",
    ]
    if totals.dead_letters_by_reason:
        lines.append(f"dead letters: {_counted(totals.dead_letters_by_reason)}")
        lines.extend(f"  {escape(line)}" for line in totals.dead_letters)
    lines.extend(f"unknown outcome: {escape(line)}" for line in totals.unknown_outcomes)
    return lines


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"


def _summary(report: Report) -> str:
    if report.ok:
        return f"[green]{len(report.checks)} checks, nothing wrong[/]"
    wrong = sum(not check.ok for check in report.checks)
    return f"[bold red]{wrong} of {len(report.checks)} checks do not hold[/]"
