"""`tape watch`: the live tape, by account or job."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from runtime.settings import Settings
from schemas.envelope import Envelope
from tape.context import find_target
from tape.lines import event_line
from tape.tail import open_tail


def watch(
    account: Annotated[str | None, typer.Option(help="Only this account's events.")] = None,
    job: Annotated[str | None, typer.Option(help="Only this job's events.")] = None,
    *,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest event.")
    ] = False,
) -> None:
    """Print each event as it is committed, until Ctrl-C."""
    find_target().apply()
    with suppress(KeyboardInterrupt):
        asyncio.run(_watch(Settings(), account, job, from_start=from_start))


async def _watch(
    settings: Settings, account: str | None, job: str | None, *, from_start: bool
) -> None:
    console = Console()
    console.print("watching; Ctrl-C ends", style="dim")
    async with open_tail(settings, from_start=from_start) as envelopes:
        async for envelope in envelopes:
            if _wanted(envelope, account, job):
                console.print(event_line(envelope), soft_wrap=True)


def _wanted(envelope: Envelope, account: str | None, job: str | None) -> bool:
    if account is not None and envelope.event.account_id != account:
        return False
    return job is None or getattr(envelope.event, "job_id", None) == job
