"""Secrets from files: `<NAME>_FILE` names a file that holds the value of `<NAME>`.

A variable is shown by `docker inspect`, by /proc and to every child; a mounted file is not. The
content of a file never stands in an error.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

FILE_SUFFIX = "_FILE"
# 64 KiB: many times the longest key; a wrong path may name a file of any length.
SECRET_BYTES_MAX = 65_536


class SecretFiles(PydanticBaseSettingsSource):
    """The values of those secret settings whose `<NAME>_FILE` is set."""

    def __init__(
        self, settings_cls: type[BaseSettings], environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(settings_cls)
        self._environment = os.environ if environment is None else environment

    def __call__(self) -> dict[str, Any]:
        """Read every file that is named.

        Raises: SettingsError, naming the variable and what is wrong with its file.
        """
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in found.items() if value is not None}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Read one setting's file; the value is None without one."""
        if field.annotation is SecretStr:
            names = list(variable_names(field))
            for name in names:
                path = self._environment.get(name + FILE_SUFFIX)
                if path:
                    self._refuse_both(names, name + FILE_SUFFIX)
                    return read_secret(name + FILE_SUFFIX, Path(path)), field_name, False
        return None, field_name, False

    def _refuse_both(self, names: list[str], file_variable: str) -> None:
        for name in names:
            # Which of two passwords holds is for the operator to say, not for an order of sources.
            if self._environment.get(name):
                raise SettingsError(f"{name} and {file_variable} are both set; unset one of them")


def variable_names(field: FieldInfo) -> Iterator[str]:
    """Give the environment variables of a setting, the documented one first."""
    alias = field.validation_alias
    names = alias.choices if isinstance(alias, AliasChoices) else [alias]
    yield from (name for name in names if isinstance(name, str))


def read_secret(variable: str, path: Path) -> str:
    """Read the file that a variable names.

    Raises: SettingsError, naming the variable and what is wrong; never with the content.
    """
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no path"
        raise SettingsError(f"{variable}: {path} cannot be read: {reason}") from None
    if len(content) > SECRET_BYTES_MAX:
        raise SettingsError(f"{variable}: {path} is longer than {SECRET_BYTES_MAX} bytes")
    try:
        # An editor ends the last line; no secret ends in a line's end.
        value = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{variable}: {path} is not UTF-8 text") from None
    if not value:
        raise SettingsError(f"{variable}: {path} is empty")
    return value
