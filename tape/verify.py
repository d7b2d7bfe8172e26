"""`tape verify`: check the invariants over log, state, Postgres, media and the provider's bill."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape

from replay.checks import Report
from replay.follow import FetchSubmissions, Round, follow
from replay.report import heartbeat, render, render_finding
from replay.submissions import SubmissionRow, SubmissionsError, fetch_submissions
from replay.verify import verify as verify_log
from runtime.clock import monotonic_seconds, utc_now
from runtime.settings import Settings
from runtime.topics import TopicError
from tape.context import Target, find_target

# 10 s: often enough to see that it goes on, seldom enough to read what stands between.
HEARTBEAT_SECONDS = 10.0


def verify(
    *,
    at_rest: Annotated[
        bool, typer.Option("--at-rest", help="Every job must have ended; nothing may be open.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on checking as the log grows, until Ctrl-C.")
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="With --follow: end at the first thing wrong.")
    ] = False,
) -> None:
    """Check everything; the exit code is the verdict: 0 holds, 1 does not."""
    if fail_fast and not follow:
        raise typer.BadParameter("--fail-fast goes with --follow: add it, or leave both")
    if at_rest and follow:
        raise typer.BadParameter("--at-rest is for a system that stopped, --follow for one at work")
    target = find_target()
    target.apply()
    console = Console()
    if follow:
        raise typer.Exit(code=_follow(console, target, fail_fast=fail_fast))
    with console.status("reading the tape"):
        try:
            report = asyncio.run(_verify(target, at_rest=at_rest))
        except SubmissionsError as error:
            console.print(str(error), style="red")
            raise typer.Exit(code=1) from error
    console.print(render(report))
    raise typer.Exit(code=0 if report.ok else 1)


async def _verify(target: Target, *, at_rest: bool) -> Report:
    fetch = _fetch(target)
    submissions = await fetch() if fetch is not None else None
    return await verify_log(Settings(), submissions=submissions, now=utc_now(), strict_end=at_rest)


def _fetch(target: Target) -> FetchSubmissions | None:
    simulator_url = target.variables.get("TAPE_SIMULATOR_URL")
    return partial(_submissions, simulator_url) if simulator_url else None


async def _submissions(simulator_url: str) -> Sequence[SubmissionRow]:
    return await fetch_submissions(simulator_url)


def _follow(console: Console, target: Target, *, fail_fast: bool) -> int:
    """Print until Ctrl-C or, with `fail_fast`, the first thing wrong; give the exit code."""
    screen = _Screen(console)
    try:
        asyncio.run(screen.follow(target, fail_fast=fail_fast))
    except KeyboardInterrupt:
        console.print("stopped", style="dim")
    except (KafkaError, TimeoutError, TopicError) as error:
        console.print(f"the log cannot be read: {escape(repr(error))}", style="red")
        return 1
    return 1 if screen.wrong_count else 0


class _Screen:
    """What a person sees of a log that is followed."""

    def __init__(self, console: Console) -> None:
        self.wrong_count = 0
        self._console = console
        self._heartbeat_at = float("-inf")
        self._notes: dict[str, str] = {}

    async def follow(self, target: Target, *, fail_fast: bool) -> None:
        self._console.print("checking as the log grows; Ctrl-C ends", style="dim")
        async with aclosing(follow(Settings(), fetch=_fetch(target))) as rounds:
            async for round_ in rounds:
                self._show(round_)
                if fail_fast and self.wrong_count:
                    return

    def _show(self, round_: Round) -> None:
        for finding in round_.findings:
            self._print(render_finding(finding.check, finding.text, round_.at))
        if round_.findings_hidden:
            self._print(f"[red]and {round_.findings_hidden:,} more in this round[/]")
        self.wrong_count += len(round_.findings) + round_.findings_hidden
        now = monotonic_seconds()
        due = now >= self._heartbeat_at + HEARTBEAT_SECONDS
        if due or round_.findings or round_.notes.keys() != self._notes.keys():
            self._heartbeat_at, self._notes = now, round_.notes
            self._print(heartbeat(round_, self.wrong_count))

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)
