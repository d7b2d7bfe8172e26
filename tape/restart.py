"""`tape restart`: processes of the running system, one after the other, while clients go on.

The command asks by a file in the state folder; the `tape up` that holds the processes answers by
another. Only this user may write there.
"""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.console import Console
from rich.text import Text

from devstack.errors import DevstackError
from devstack.records import load
from devstack.state import StateFolder
from devstack.supervisor import SUPERVISOR, Supervisor
from devstack.system import WORKER_KINDS
from tape.context import state_dir

console = Console()
LOOK_EVERY_SECONDS = 0.2
# 120 s without a word: a process has 10 s to end and 40 s to serve again.
SILENT_SECONDS_MAX = 120.0
INGRESS = "ingress"
ProcessesArgument = Annotated[
    list[str] | None, typer.Argument(help="Names as `tape up` shows them, such as ledger-2.")
]


def restart(
    processes: ProcessesArgument = None,
    *,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="Every process of ours, one after the other.")
    ] = False,
) -> None:
    """Restart processes in order: each ends what it has in hand, and no request is refused."""
    if rolling == bool(processes):
        raise typer.BadParameter("name processes, or say --rolling for all of them")
    state = StateFolder(state_dir())
    supervisor = load(state, SUPERVISOR)
    if supervisor is None or supervisor.process() is None:
        console.print(Text(f"nothing runs from {state.path}: `tape up` starts it", style="red"))
        raise typer.Exit(code=1)
    number = uuid4().hex
    _write(_request_path(state), {"number": number, "processes": processes or []})
    error = _follow(state, number)
    if error is not None:
        console.print(Text(error, style="red"))
        raise typer.Exit(code=1)


def _follow(state: StateFolder, number: str) -> str | None:
    """Print each line of the answer as it comes; give what went wrong."""
    shown = 0
    heard_at = time.monotonic()
    while time.monotonic() - heard_at < SILENT_SECONDS_MAX:
        answer = _read(_answer_path(state)) or {}
        if answer.get("number") == number:
            for line in answer["lines"][shown:]:
                console.print(line, highlight=False)
                heard_at = time.monotonic()
            shown = len(answer["lines"])
            if answer["done"]:
                error: str | None = answer["error"]
                return error
        time.sleep(LOOK_EVERY_SECONDS)
    return f"no answer for {SILENT_SECONDS_MAX:g} s: look at {state.log('tape')}"


async def serve_restarts(state: StateFolder, supervisor: Supervisor) -> None:
    """Restart what is asked for, until cancelled."""
    while True:
        asked = _read(_request_path(state))
        if asked is None:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            continue
        _request_path(state).unlink(missing_ok=True)
        names = asked["processes"] or _ours(supervisor)
        lines: list[str] = []
        error: str | None = None
        for name in names:
            _answer(state, asked["number"], lines)
            try:
                lines.append(await _restarted(supervisor, name))
            except DevstackError as failure:
                error = str(failure)
                break
        _answer(state, asked["number"], lines, done=True, error=error)


def _ours(supervisor: Supervisor) -> list[str]:
    """Name the processes of ours, those that clients speak to last."""
    names = supervisor.names
    workers = [n for kind in WORKER_KINDS for n in names if n.split("-")[0] == kind]
    return [*workers, *(name for name in names if name == INGRESS)]


async def _restarted(supervisor: Supervisor, name: str) -> str:
    started = time.monotonic()
    ended = await supervisor.restart(name)
    return (
        f"{name}: ended with {ended.exit_code} after {ended.seconds:.1f} s; "
        f"all took {time.monotonic() - started:.1f} s"
    )


def _answer(
    state: StateFolder,
    number: str,
    lines: list[str],
    *,
    done: bool = False,
    error: str | None = None,
) -> None:
    content = {"number": number, "lines": lines, "done": done, "error": error}
    _write(_answer_path(state), content)


def _request_path(state: StateFolder) -> Path:
    return state.run / "restart.json"


def _answer_path(state: StateFolder) -> Path:
    return state.run / "restarted.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return content


def _write(path: Path, content: dict[str, object]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(content) + "\n")
    # In one step: whoever waits for the file may read it at once.
    draft.replace(path)
