"""`tape up`, `down` and `env`: the whole system on this machine, on one screen."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from devstack.errors import DevstackError, StopRequestedError
from devstack.state import StateFolder
from devstack.supervisor import ProcessStatus, Supervisor, stop_everything
from devstack.system import WORKER_KINDS, SystemOptions, TapeSystem
from runtime.topics import TopicError
from tape.bootstrap import ensure_demo_account
from tape.context import ENVIRONMENT_FILE, find_target, save_target, state_dir
from tape.restart import serve_restarts

console = Console()
# 120 s: a first start makes the database and formats the broker's log.
DETACHED_READY_SECONDS = 120.0
REFRESH_SECONDS = 1.0
NOTES_SHOWN = 6
WorkersOption = Annotated[
    str, typer.Option(help="How many of each kind, such as ledger=2,generation=3.")
]
SecondsOption = Annotated[
    float, typer.Option(help="How long the simulator takes for a video, seconds.", min=0)
]


def parse_workers(text: str) -> dict[str, int]:
    """Read `ledger=2,generation=3`.

    Raises: typer.BadParameter naming the part that is wrong.
    """
    workers: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        kind, _, count = part.partition("=")
        if kind not in WORKER_KINDS or not count.isdigit() or int(count) < 1:
            raise typer.BadParameter(
                f"{part!r}: write KIND=COUNT with one of {', '.join(WORKER_KINDS)} "
                "and a count from 1"
            )
        workers[kind] = int(count)
    return workers


def up(
    workers: WorkersOption = "",
    generation_seconds: SecondsOption = 5.0,
    *,
    plain_videos: Annotated[
        bool,
        typer.Option("--plain-videos", help="Simulated videos without their prompt: for load."),
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return once it runs.")] = False,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take any free ports, not 8000 and so on.")
    ] = False,
) -> None:
    """Start everything and show what runs where; Ctrl-C stops all."""
    options = SystemOptions(
        workers=parse_workers(workers),
        generation_seconds=generation_seconds,
        plain_videos=plain_videos,
        fixed_ports=not free_ports,
    )
    if detach:
        _detach(sys.argv[1:])
        return
    try:
        asyncio.run(_run(options))
    except StopRequestedError:
        console.print("stopped before it was up")
    except (DevstackError, TopicError) as error:
        console.print(Text(str(error), style="red"))
        raise typer.Exit(code=1) from error


async def _run(options: SystemOptions) -> None:
    state = StateFolder(state_dir())
    notes: list[str] = []
    async with Supervisor(state, report=notes.append, signals=True) as supervisor:
        system = TapeSystem(state, options)
        with console.status("starting Kafka, Postgres, the simulator and our processes"):
            await system.start(supervisor)
            await asyncio.to_thread(ensure_demo_account, system)
        save_target(state.path, system.variables)
        restarts = asyncio.create_task(serve_restarts(state, supervisor))
        try:
            await _show(supervisor, system, notes)
        finally:
            restarts.cancel()
            await asyncio.gather(restarts, return_exceptions=True)
            (state.path / ENVIRONMENT_FILE).unlink(missing_ok=True)
            console.print("stopping")


async def _show(supervisor: Supervisor, system: TapeSystem, notes: list[str]) -> None:
    stopping = asyncio.create_task(supervisor.stop_requested())
    with Live(console=console, auto_refresh=False) as live:
        while not stopping.done():
            rows = await supervisor.status()
            live.update(screen(rows, system.variables, notes), refresh=True)
            await asyncio.wait([stopping], timeout=REFRESH_SECONDS)


def screen(rows: Sequence[ProcessStatus], variables: dict[str, str], notes: Sequence[str]) -> Group:
    """Draw the one screen: a row per process, the addresses to use, the latest notes."""
    table = Table(title="Tapeworks", title_justify="left")
    for column in ("process", "state", "pid", "address", "up", "restarts", "log"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row.name,
            Text("healthy", style="green") if row.healthy else Text("not ready", style="red"),
            str(row.pid or "-"),
            row.address,
            f"{row.uptime_seconds:.0f} s",
            str(row.restarts),
            os.path.relpath(row.log_path),
        )
    url = variables["TAPE_URL"]
    return Group(
        table,
        Text(f'API {url}   docs {url}/docs   variables: eval "$(tape env)"   Ctrl-C stops all'),
        *(Text(note, style="yellow") for note in notes[-NOTES_SHOWN:]),
    )


def _detach(arguments: Sequence[str]) -> None:
    state = StateFolder(state_dir())
    state.create()
    marker = state.path / ENVIRONMENT_FILE
    marker.unlink(missing_ok=True)
    log_path = state.log("tape")
    rest = [argument for argument in arguments if argument != "--detach"]
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  our own command line
            [sys.executable, "-m", "tape", *rest],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    give_up_at = time.monotonic() + DETACHED_READY_SECONDS
    while not marker.exists():
        if process.poll() is not None or time.monotonic() > give_up_at:
            console.print(f"it did not start; the end of {log_path}:", style="red")
            console.print("\n".join(log_path.read_text().splitlines()[-40:]), markup=False)
            raise typer.Exit(code=1)
        time.sleep(0.1)
    target = find_target()
    console.print(f"running: {target['TAPE_URL']}   stop with: tape down")


def down() -> None:
    """Stop what `tape up --detach`, or a `tape up` elsewhere, has started here."""
    state = StateFolder(state_dir())
    try:
        stopped = asyncio.run(stop_everything(state))
    except DevstackError as error:
        console.print(Text(str(error), style="red"))
        raise typer.Exit(code=1) from error
    (state.path / ENVIRONMENT_FILE).unlink(missing_ok=True)
    console.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


def env() -> None:
    """Print export lines for a shell: eval "$(tape env)"."""
    for name, value in sorted(find_target().variables.items()):
        typer.echo(f"export {name}={_quoted(value)}")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
