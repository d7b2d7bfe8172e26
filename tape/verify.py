"""`tape verify`: check the invariants over log, state, Postgres, media and the provider's bill."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from replay.checks import Report
from replay.report import render
from replay.submissions import SubmissionsError, fetch_submissions
from replay.verify import verify as verify_log
from runtime.clock import utc_now
from runtime.settings import Settings
from tape.context import Target, find_target


def verify(
    *,
    at_rest: Annotated[
        bool, typer.Option("--at-rest", help="Every job must have ended; nothing may be open.")
    ] = False,
) -> None:
    """Check everything; the exit code is the verdict: 0 holds, 1 does not."""
    target = find_target()
    target.apply()
    console = Console()
    with console.status("reading the tape"):
        try:
            report = asyncio.run(_verify(target, at_rest=at_rest))
        except SubmissionsError as error:
            console.print(str(error), style="red")
            raise typer.Exit(code=1) from error
    console.print(render(report))
    raise typer.Exit(code=0 if report.ok else 1)


async def _verify(target: Target, *, at_rest: bool) -> Report:
    simulator_url = target.variables.get("TAPE_SIMULATOR_URL")
    submissions = await fetch_submissions(simulator_url) if simulator_url else None
    return await verify_log(Settings(), submissions=submissions, now=utc_now(), strict_end=at_rest)
