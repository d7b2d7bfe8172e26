"""Writes the JSON Schemas out: `python -m schemas.publish`. A released file never changes."""

import json
from pathlib import Path

from schemas.base import Event
from schemas.codec import schema_name
from schemas.topics import TOPIC_BY_EVENT

FOLDER = Path(__file__).parent


def schema_text(event_type: type[Event]) -> str:
    """Give the JSON Schema of an event type as it is published."""
    schema = event_type.model_json_schema()
    published = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_name(event_type),
        **schema,
        "title": event_type.__name__,
        "x-topic": TOPIC_BY_EVENT[event_type].name,
        "x-writer": TOPIC_BY_EVENT[event_type].writer,
    }
    return json.dumps(published, indent=2, sort_keys=False) + "\n"


def main() -> None:
    """Write every schema that is not there yet.

    Raises: FileExistsError if a released schema would change: raise `schema_version` instead.
    """
    for event_type in TOPIC_BY_EVENT:
        path = FOLDER / schema_name(event_type)
        text = schema_text(event_type)
        if path.exists() and path.read_text() != text:
            raise FileExistsError(f"{path.name} of {event_type.__name__} is released and differs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
