"""The command line: `tape`."""

import typer

from runtime.logs import configure_logs
from tape.accounts import credits_app, keys_app
from tape.demo import demo
from tape.refunds import refunds
from tape.restart import restart
from tape.simulate import simulate_app
from tape.up import down, env, up
from tape.verify import verify
from tape.watch import watch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Tapeworks on this machine: start it, use it, watch it, check it.",
)


@app.callback()
def quiet() -> None:
    """Keep the logs of the parts that run in this process out of what a person reads."""
    configure_logs("tape", "error")


app.command()(up)
app.command()(down)
app.command()(env)
app.command()(restart)
app.command()(demo)
app.command()(watch)
app.command()(verify)
app.command()(refunds)
app.add_typer(credits_app, name="credits")
app.add_typer(keys_app, name="keys")
app.add_typer(simulate_app, name="simulate")
