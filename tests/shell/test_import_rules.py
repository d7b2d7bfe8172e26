"""The tree shows the architecture, and nobody can break it unseen."""

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from schemas import publish

PROJECT = publish.FOLDER.parent
BROKEN = """
[importlinter]
root_packages =
    domain
    schemas

[importlinter:contract:backwards]
name = The wrong way round
type = layers
layers =
    schemas
    domain
"""


def lint(config: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    # The linter looks for packages in the working directory and adds it to the path.
    monkeypatch.chdir(PROJECT)
    monkeypatch.syspath_prepend(str(PROJECT))
    return lint_imports(config_filename=str(config), no_cache=True, no_logo=True)


def test_imports_go_inwards_only(monkeypatch, capsys):
    status = lint(PROJECT / "pyproject.toml", monkeypatch)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_import_the_other_way_would_be_found(monkeypatch, tmp_path):
    """The rule bites: with the layers turned round, every import of `domain` breaks it."""
    config = tmp_path / "backwards.ini"
    config.write_text(BROKEN)
    assert lint(config, monkeypatch) != EXIT_STATUS_SUCCESS
