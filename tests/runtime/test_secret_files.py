"""Secrets from files: read whole, never shown, and refused with the variable's name."""

import os

import pytest
from pydantic_settings import SettingsError

from runtime.settings import Settings
from tests.running import FOREIGN_PREFIXES

SECRET = "planted-secret"
VARIABLES = [
    ("DATABASE_URL", "database_url"),
    ("GOOGLE_AI_API_KEY", "google_api_key"),
    ("GOOGLE_GENAI_API_KEY", "google_api_key"),
    ("TAPE_ADMIN_KEY", "admin_api_key"),
    ("TAPEWORKS_MEDIA_SIGNING_KEY", "media_signing_key"),
]


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch):
    for name in list(os.environ):
        if name.startswith(FOREIGN_PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


@pytest.mark.parametrize(("variable", "field"), VARIABLES)
def test_every_secret_can_come_from_a_file_without_its_last_line_end(
    variable, field, secret_file, monkeypatch
):
    monkeypatch.setenv(f"{variable}_FILE", str(secret_file))
    settings = Settings()
    assert getattr(settings, field).get_secret_value() == SECRET
    assert SECRET not in repr(settings)


def test_what_is_no_secret_is_not_read_from_a_file(secret_file, monkeypatch):
    monkeypatch.setenv("TAPEWORKS_PUBLIC_URL_FILE", str(secret_file))
    assert Settings().public_url == "http://127.0.0.1:8000"


def test_spaces_inside_and_around_a_secret_stay(secret_file, monkeypatch):
    secret_file.write_text(" a b \r\n")
    monkeypatch.setenv("TAPE_ADMIN_KEY_FILE", str(secret_file))
    assert Settings().admin_api_key.get_secret_value() == " a b "


def test_an_unset_file_variable_leaves_the_variable_itself(monkeypatch):
    monkeypatch.setenv("TAPE_ADMIN_KEY_FILE", "")
    monkeypatch.setenv("TAPE_ADMIN_KEY", SECRET)
    assert Settings().admin_api_key.get_secret_value() == SECRET


def test_a_missing_file_is_named_with_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE: .*none.* No such file"):
        Settings()


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path, monkeypatch):
    # What Docker makes of a mount whose source is missing.
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path))
    with pytest.raises(SettingsError, match=r"DATABASE_URL_FILE: .* Is a directory"):
        Settings()


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", "empty"), (b"\n", "empty"), (b"\xff", "UTF-8"), (b"a" * 65_537, "longer")],
)
def test_a_file_that_holds_no_secret_is_refused_without_its_content(
    content, fault, secret_file, monkeypatch
):
    secret_file.write_bytes(content)
    monkeypatch.setenv("TAPE_ADMIN_KEY_FILE", str(secret_file))
    with pytest.raises(SettingsError, match=f"TAPE_ADMIN_KEY_FILE: .*{fault}") as caught:
        Settings()
    assert "aaa" not in str(caught.value)


def test_the_longest_secret_is_taken(secret_file, monkeypatch):
    secret_file.write_bytes(b"a" * 65_536)
    monkeypatch.setenv("TAPE_ADMIN_KEY_FILE", str(secret_file))
    assert len(Settings().admin_api_key.get_secret_value()) == 65_536


@pytest.mark.parametrize("variable", ["GOOGLE_AI_API_KEY", "GOOGLE_GENAI_API_KEY"])
def test_a_secret_with_both_a_value_and_a_file_is_refused(variable, secret_file, monkeypatch):
    monkeypatch.setenv("GOOGLE_AI_API_KEY_FILE", str(secret_file))
    monkeypatch.setenv(variable, "another")
    with pytest.raises(SettingsError, match=f"{variable} and GOOGLE_AI_API_KEY_FILE are both set"):
        Settings()


def test_a_value_that_is_passed_in_goes_before_the_file(secret_file, monkeypatch):
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret_file))
    settings = Settings.model_validate({"DATABASE_URL": "passed-in"})
    assert settings.database_url.get_secret_value() == "passed-in"
