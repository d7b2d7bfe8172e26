"""Runs the command line: `python -m tape`."""

from tape.main import app

app()
