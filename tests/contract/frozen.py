"""The frozen examples: one real message and one refused per event type and version, for ever."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas import publish
from schemas.codec import Record

FOLDER = publish.FOLDER / "examples"


@dataclass(frozen=True, slots=True)
class Example:
    """One file, and the record that it describes to the byte."""

    path: Path
    text: dict[str, Any]

    @property
    def record(self) -> Record:
        body = json.dumps(self.text["body"], ensure_ascii=False, separators=(",", ":"))
        headers = tuple((name, value.encode()) for name, value in self.text["headers"].items())
        return Record(self.text["key"].encode(), body.encode(), headers)

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"


def examples(pattern: str) -> list[Example]:
    return [
        Example(path, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(FOLDER.glob(f"*/{pattern}"))
    ]


VALID = examples("[0-9]*.json")
REFUSED = examples("refused-*.json")
