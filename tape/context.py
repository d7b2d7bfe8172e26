"""Which system the command line speaks to: the environment's, or the one under `.tape/`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import typer

STATE_DIR_VARIABLE = "TAPE_STATE_DIR"
ENVIRONMENT_FILE = "run/environment.json"


def state_dir() -> Path:
    """Give the folder of local state: `.tape` here, or what TAPE_STATE_DIR names."""
    return Path(os.environ.get(STATE_DIR_VARIABLE, ".tape")).absolute()


@dataclass(frozen=True, slots=True)
class Target:
    """A running system: its variables, as `tape env` prints them."""

    variables: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.variables[name]

    def apply(self) -> None:
        """Let this process's settings be the system's."""
        os.environ.update(self.variables)


def save_target(folder: Path, variables: dict[str, str]) -> None:
    """Write the variables of a system that runs from `folder`, for this user's eyes only."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{ENVIRONMENT_FILE}.new"
    path.touch(mode=0o600)
    path.write_text(json.dumps(variables, indent=2) + "\n")
    # In one step: whoever waits for the file may read it at once.
    path.replace(folder / ENVIRONMENT_FILE)


def find_target() -> Target:
    """Find the running system; the environment's own variables win over the saved ones.

    Raises: typer.Exit with a hint when nothing runs and nothing is set.
    """
    path = state_dir() / ENVIRONMENT_FILE
    saved: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    variables = {**saved, **{name: os.environ[name] for name in saved if name in os.environ}}
    for name in ("TAPE_URL", "TAPE_API_KEY", "TAPE_ADMIN_KEY", "KAFKA_BOOTSTRAP_SERVERS"):
        if name in os.environ:
            variables[name] = os.environ[name]
    if "TAPE_URL" not in variables:
        typer.echo(
            f"No system is running from {path.parent.parent}: start one with `tape up`, or set "
            "TAPE_URL and TAPE_ADMIN_KEY to speak to another.",
            err=True,
        )
        raise typer.Exit(code=2)
    return Target(variables)
