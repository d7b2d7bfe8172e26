"""docs/operations.md shows the settings as the code has them."""

from pathlib import Path

from pydantic import SecretStr

from runtime.settings import Settings
from runtime.settings_table import settings_table

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_settings_in_the_documentation_are_those_of_the_code():
    assert settings_table() in OPERATIONS.read_text(), (
        "replace the settings table of docs/operations.md with what "
        "`python -m runtime.settings_table` prints"
    )


def test_every_setting_says_what_it_is():
    silent = [name for name, field in Settings.model_fields.items() if not field.description]
    assert silent == []


def test_no_default_of_a_secret_is_printed():
    table = settings_table()
    secrets = [f for f in Settings.model_fields.values() if f.annotation is SecretStr]
    assert len(secrets) >= 4
    for field in secrets:
        value = field.default.get_secret_value()
        assert not value or value not in table


def test_no_folder_of_this_machine_is_printed():
    assert str(Path.cwd()) not in settings_table()
