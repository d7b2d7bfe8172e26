"""`tape credits` and `tape keys`: the administrator's calls, by the same way as any client's."""

from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import typer
from rich.console import Console
from rich.table import Table

from tape.context import find_target
from tape.http import call

credits_app = typer.Typer(no_args_is_help=True, help="Show, grant, correct and refund credits.")
keys_app = typer.Typer(no_args_is_help=True, help="Make and revoke API keys.")
console = Console()


@credits_app.command("show")
def show_credits() -> None:
    """Show the credits of the account that TAPE_API_KEY belongs to."""
    target = find_target()
    found = call("GET", f"{target['TAPE_URL']}/v1/credits", target["TAPE_API_KEY"])
    table = Table(title=f"credits of {found['account_id']}")
    for column in ("available", "reserved", "settled", "granted"):
        table.add_column(column, justify="right")
    table.add_row(
        *(str(found[f"{name}_credits"]) for name in ("available", "reserved", "settled", "granted"))
    )
    console.print(table)


@credits_app.command("grant")
def grant_credits(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    amount: Annotated[int, typer.Argument(help="Credits to add.", min=1)],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Give an account credits."""
    target = find_target()
    answer = call(
        "POST",
        f"{target['TAPE_URL']}/v1/admin/credits/grants",
        target["TAPE_ADMIN_KEY"],
        body={"account_id": account, "amount_credits": amount, "reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )
    balance = answer.get("balance_after")
    console.print(
        f"{account} was given {amount} credits"
        + (f"; its balance is {balance}" if balance is not None else "; the ledger will decide")
    )


# A correction may be negative: without this, -30 would be taken for an option.
@credits_app.command("adjust", context_settings={"ignore_unknown_options": True})
def adjust_credits(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    amount: Annotated[int, typer.Argument(help="Credits to add or, as in -30, to take.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Correct an account's balance, up or down; never below zero."""
    target = find_target()
    answer = call(
        "POST",
        f"{target['TAPE_URL']}/v1/admin/credits/adjustments",
        target["TAPE_ADMIN_KEY"],
        body={"account_id": account, "amount_credits": amount, "reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )
    balance = answer.get("balance_after")
    console.print(
        f"{account} was corrected by {amount:+d} credits"
        + (f"; its balance is {balance}" if balance is not None else "; the ledger will decide")
    )


@credits_app.command("refund")
def refund_job(
    job: Annotated[str, typer.Argument(help="The generation's id.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
) -> None:
    """Give back the whole price of a job that kept it, once, within 30 days of its end."""
    target = find_target()
    answer = call(
        "POST",
        f"{target['TAPE_URL']}/v1/admin/generations/{quote(job, safe='')}/refund",
        target["TAPE_ADMIN_KEY"],
        body={"reason": reason},
        headers={"Idempotency-Key": str(uuid4())},
    )
    if answer["status"] == "requested":
        console.print(f"the refund of {job} is requested; the ledger will decide")
        return
    console.print(
        f"{answer['account_id']} was given back {answer['amount_credits']} credits for {job}; "
        f"its balance is {answer['balance_after']}"
    )


@keys_app.command("create")
def create_key(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    role: Annotated[str, typer.Option(help="`client` or `admin`.")] = "client",
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the key alone.")] = False,
) -> None:
    """Make an API key; it is shown this once, only its hash is kept."""
    target = find_target()
    made = call(
        "POST",
        f"{target['TAPE_URL']}/v1/admin/keys",
        target["TAPE_ADMIN_KEY"],
        body={"account_id": account, "role": role},
    )
    if quiet:
        typer.echo(made["api_key"])
        return
    console.print(f"{made['api_key']}", style="bold", highlight=False)
    console.print(f"A {role} key of {account}; it cannot be shown again. Id: {made['key_id']}")


@keys_app.command("list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    target = find_target()
    found = call("GET", f"{target['TAPE_URL']}/v1/admin/keys", target["TAPE_ADMIN_KEY"])
    table = Table()
    for column in ("key_id", "account_id", "role", "created_at", "revoked_at"):
        table.add_column(column)
    for key in found["items"]:
        table.add_row(*(str(key.get(name) or "") for name in map(str, table_columns())))
    console.print(table)


def table_columns() -> tuple[str, ...]:
    """Name the fields of a key's row, in order."""
    return ("key_id", "account_id", "role", "created_at", "revoked_at")


@keys_app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="As `tape keys list` shows.")]) -> None:
    """Revoke a key; it stops working within a minute."""
    target = find_target()
    call("DELETE", f"{target['TAPE_URL']}/v1/admin/keys/{key_id}", target["TAPE_ADMIN_KEY"])
    console.print(f"{key_id} is revoked")
