"""Reads the compose files and the Dockerfile for the tests."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # ships no types, and the stubs are not locked

ROOT = Path(__file__).parents[2]
BASE, S3 = "docker-compose.yml", "docker-compose.s3.yml"
OUR_IMAGES = ("tapeworks:", "tapeworks-simulator:")


@cache
def compose(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())
    return content


def services() -> list[Any]:
    """Every service of both files as (file, name, definition)."""
    return [
        (file, name, service)
        for file in (BASE, S3)
        for name, service in compose(file)["services"].items()
    ]


def whole_services() -> list[Any]:
    """Those that stand on their own: an override of another file's service is none."""
    return [entry for entry in services() if "image" in entry[2]]


def our_services() -> dict[str, Any]:
    found = compose(BASE)["services"].items()
    return {name: s for name, s in found if s["image"].startswith(OUR_IMAGES)}


def modules(service: dict[str, Any]) -> list[str]:
    return re.findall(r"python -m ([\w.]+)", " ".join(service["command"]))


def probe_url(service: dict[str, Any]) -> str:
    found = re.findall(r'urlopen\("([^"]+)"', " ".join(service["healthcheck"]["test"]))
    assert len(found) == 1
    return str(found[0])


@cache
def instructions() -> list[tuple[str, list[str]]]:
    """Every line of the Dockerfile as (instruction, words), continued lines joined."""
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [shlex.split(line) for line in text.splitlines() if line.strip()]
    return [(words[0], words[1:]) for words in lines]
