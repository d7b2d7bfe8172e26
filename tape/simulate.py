"""`tape simulate`: tell the simulated providers how to behave, and ask what they received."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tape.context import find_target
from tape.http import call

simulate_app = typer.Typer(no_args_is_help=True, help="Steer the simulated providers.")
console = Console()


def _control(method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401  JSON
    return call(method, f"{find_target()['TAPE_SIMULATOR_URL']}/_control/{path}", body=body)


@simulate_app.command("fault")
def arm_fault(
    kind: Annotated[str, typer.Argument(help="Such as error_500 or never_finish.")],
    next_n: Annotated[int | None, typer.Option(help="For the next N requests.")] = None,
    rate: Annotated[float | None, typer.Option(help="For this share of requests, 0 to 1.")] = None,
    prompt_contains: Annotated[str | None, typer.Option(help="Only such prompts.")] = None,
    provider: Annotated[str, typer.Option(help="Which provider.")] = "google",
) -> None:
    """Arm a fault, for the next request unless said otherwise."""
    body: dict[str, Any] = {"provider": provider, "kind": kind}
    if rate is not None:
        body["rate"] = rate
    if next_n is not None or rate is None:
        body["next_n"] = next_n or 1
    if prompt_contains is not None:
        body["prompt_contains"] = prompt_contains
    console.print_json(data=_control("POST", "faults", body))


@simulate_app.command("clear")
def clear_faults() -> None:
    """Take all faults away."""
    console.print_json(data=_control("DELETE", "faults"))


@simulate_app.command("clock")
def set_clock(
    seconds: Annotated[float, typer.Argument(help="How long a video takes.", min=0)],
) -> None:
    """Set how long a video takes from now on."""
    console.print_json(data=_control("POST", "clock", {"seconds": seconds}))


@simulate_app.command("submissions")
def show_submissions() -> None:
    """Show every submission the simulator received, and which were billed."""
    rows = _control("GET", "submissions")
    table = Table(title=f"{len(rows)} submissions")
    for column in ("received_at", "provider", "operation", "billed", "prompt"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row["received_at"],
            row["provider"],
            str(row["operation"] or "-"),
            "yes" if row["billed"] else "no",
            row["prompt"][:60],
        )
    console.print(table)
