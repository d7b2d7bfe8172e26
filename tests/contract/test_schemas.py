"""The published schemas say what the models say, and a released one never changes."""

import json
import runpy
from typing import Any

import pytest
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from schemas import publish
from schemas.base import Event
from schemas.codec import encode, schema_name
from schemas.envelope import Cause
from schemas.topics import EVENT_TYPES, TOPIC_BY_EVENT
from tests.contract.strategies import events, whatever

CAUSE = Cause("0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
every_type = pytest.mark.parametrize(
    "event_type", EVENT_TYPES.values(), ids=lambda kind: kind.__name__
)


def published(event_type: type[Event]) -> dict[str, Any]:
    text = (publish.FOLDER / schema_name(event_type)).read_text(encoding="utf-8")
    return dict(json.loads(text))


@every_type
def test_the_published_schema_is_the_models(event_type: type[Event]):
    path = publish.FOLDER / schema_name(event_type)
    assert path.read_text(encoding="utf-8") == publish.schema_text(event_type)


@every_type
def test_a_published_schema_is_one_and_names_its_event_topic_and_writer(event_type: type[Event]):
    schema = published(event_type)
    Draft202012Validator.check_schema(schema)
    topic = TOPIC_BY_EVENT[event_type]
    assert (schema["$id"], schema["title"], schema["x-topic"], schema["x-writer"]) == (
        schema_name(event_type),
        event_type.__name__,
        topic.name,
        topic.writer,
    )


@every_type
@whatever(data=st.data())
def test_every_body_we_write_keeps_its_published_schema(
    event_type: type[Event], data: st.DataObject
):
    record = encode(CAUSE.envelop(data.draw(events(event_type)), 0, "/tests"))
    validator = Draft202012Validator(published(event_type), format_checker=FormatChecker())
    validator.validate(json.loads(record.value or b""))


def test_every_folder_published_belongs_to_a_type():
    names = {schema_name(event_type).split("/")[1] for event_type in EVENT_TYPES.values()}
    assert {path.name for path in (publish.FOLDER / "published").iterdir()} == names


@every_type
def test_a_schema_forbids_fields_nobody_declared_and_allows_no_null(event_type: type[Event]):
    schema = published(event_type)
    objects = [schema, *schema.get("$defs", {}).values()]
    assert all(part["additionalProperties"] is False for part in objects)
    assert '"null"' not in json.dumps(schema)
    assert '"default": null' not in json.dumps(schema)


# Publishing; the folder is patched because `python -m` takes none.


def test_what_is_missing_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "FOLDER", tmp_path)
    publish.main()
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("**/*.json")}
    assert written == {schema_name(event_type) for event_type in EVENT_TYPES.values()}
    for event_type in EVENT_TYPES.values():
        text = (tmp_path / schema_name(event_type)).read_text(encoding="utf-8")
        assert text == publish.schema_text(event_type)


def test_a_released_schema_that_would_change_is_refused_and_left_as_it_is(tmp_path, monkeypatch):
    """Style section 6: to change, add a version."""
    monkeypatch.setattr(publish, "FOLDER", tmp_path)
    publish.main()
    released = tmp_path / "published/credits-settled/1.0.0.json"
    bad = released.read_text(encoding="utf-8").replace('"completed"', '"done"')
    released.write_text(bad, encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"1\.0\.0\.json of CreditsSettled is released"):
        publish.main()
    assert released.read_text(encoding="utf-8") == bad


def test_publishing_again_changes_nothing():
    """`python -m schemas.publish`, as anybody runs it, once all files are known to be equal."""
    for event_type in EVENT_TYPES.values():
        test_the_published_schema_is_the_models(event_type)
    before = {path: path.read_bytes() for path in publish.FOLDER.glob("published/*/*.json")}
    runpy.run_path(publish.__file__, run_name="__main__")
    after = {path: path.read_bytes() for path in publish.FOLDER.glob("published/*/*.json")}
    assert after == before
