"""Secrets that may change while a process runs: a key is rotated without a restart.

The value from the environment stays as it is; one from a file follows the file.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import SettingsError

from runtime.logs import logger
from runtime.secret_files import FILE_SUFFIX, read_secret

log = logger(__name__)
# What of a file tells that it was changed; also where a mounted secret's link was turned.
_State = tuple[int, int, int]


class ChangingSecret:
    """A secret, and the file named by `<variable>_FILE` if there is one, read when it changes.

    Guarantee: what cannot be read, or what `check` raises ValueError for, leaves the last good
    value in use until the file changes again. The content never stands in an error or a log.
    Source: S0-44.
    """

    def __init__(
        self,
        value: SecretStr,
        variables: Sequence[str],
        check: Callable[[SecretStr], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        named = (variable + FILE_SUFFIX for variable in variables)
        self._variable = next((name for name in named if environment.get(name)), None)
        self._path = Path(environment[self._variable]) if self._variable else None
        self._check = check
        self._value, self._previous = value, value
        self._seen = self._state()

    def current(self) -> str:
        """Give the value as it is now."""
        state = self._state()
        if state not in (None, self._seen):
            self._seen = state
            self._read_again()
        return self._value.get_secret_value()

    def known(self) -> tuple[str, str]:
        """Give the last two values, both of which may still be on their way somewhere."""
        return self._value.get_secret_value(), self._previous.get_secret_value()

    def _read_again(self) -> None:
        assert self._variable is not None
        assert self._path is not None
        try:
            value = SecretStr(read_secret(self._variable, self._path))
            self._check(value)
        except (SettingsError, ValueError) as error:
            log.warning("secret_not_taken", variable=self._variable, reason=str(error))
            return
        if value != self._value:
            self._previous, self._value = self._value, value
            log.info("secret_changed", variable=self._variable)

    def _state(self) -> _State | None:
        if self._path is None:
            return None
        try:
            seen = self._path.stat()
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_size, seen.st_ino
