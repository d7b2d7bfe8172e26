"""The settings as a table for people: `python -m runtime.settings_table` prints its markdown.

docs/operations.md holds what this prints, and tests/deployment/test_settings_table.py compares. A
secret's default is never printed.
"""

from collections.abc import Iterable
from pathlib import Path

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from runtime.secret_files import FILE_SUFFIX, variable_names
from runtime.settings import Settings

HEADINGS = ("variable", "default", "what it is", "other names")


def settings_table() -> str:
    """Give the markdown of all settings, in the order of the code."""
    rows = [_row(field) for field in Settings.model_fields.values()]
    table = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "".join(_line(cells) + "\n" for cells in table)


def _row(field: FieldInfo) -> tuple[str, ...]:
    variable, *others = variable_names(field)
    if field.annotation is SecretStr:
        others = [name + FILE_SUFFIX for name in (variable, *others)] + others
    meaning = f"{field.description or ''}{_limits(field)}"
    return f"`{variable}`", _default(field), meaning, ", ".join(f"`{name}`" for name in others)


def _default(field: FieldInfo) -> str:
    if field.annotation is SecretStr:
        return "secret"
    if field.default is None or field.default == "":
        return "unset"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    # The same on every machine: the working folder of whoever prints it says nothing.
    return f"`{str(field.default).replace(f'file://{Path.cwd()}', 'file://$PWD', 1)}`"


def _limits(field: FieldInfo) -> str:
    words = []
    for limit in field.metadata:
        match limit:
            case Ge(ge=least):
                words.append(f"{least} or more")
            case Gt(gt=bound):
                words.append(f"above {bound}")
            case Le(le=most):
                words.append(f"{most} at most")
            case _:
                pass  # a pattern is for the machine; the description says it in words
    return f" ({', '.join(words)})" if words else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(settings_table(), end="")  # noqa: T201  a command speaks
