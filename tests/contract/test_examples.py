"""Messages that were once sent are read for ever; messages that were once refused stay refused."""

import json
from copy import deepcopy

import pytest
from jsonschema import Draft202012Validator

from schemas import publish
from schemas.codec import ContractError, decode, encode, schema_name
from schemas.topics import EVENT_TYPES
from tests.contract.frozen import REFUSED, VALID, Example

# What JSON Schema cannot say, or says of itself: such a message is refused by our codec alone.
BEYOND_JSON_SCHEMA = {
    "credit-adjustment-requested/refused-1.0.0": "-30.0 is an integer to JSON Schema (6.1.1)",
    "submission-refused/refused-1.0.0": "`format` asserts nothing by default (7.2.1)",
}


def test_every_version_of_every_event_has_an_example_and_a_refusal():
    published = {
        path.relative_to(publish.FOLDER / "published").with_suffix("").as_posix()
        for path in (publish.FOLDER / "published").glob("*/*.json")
    }
    assert {example.name for example in VALID} == published
    assert {example.name.replace("refused-", "") for example in REFUSED} == published
    assert published >= {
        schema_name(event_type).removeprefix("published/").removesuffix(".json")
        for event_type in EVENT_TYPES.values()
    }


@pytest.mark.parametrize("example", VALID, ids=lambda example: example.name)
def test_an_example_is_read_and_written_back_to_the_byte(example: Example):
    record = example.record
    envelope = decode(record.key, record.value, record.headers)
    assert encode(envelope) == record
    assert envelope.event_id == example.text["headers"]["ce_id"]
    assert envelope.event_type == example.text["headers"]["ce_type"].removeprefix("tapeworks.")


@pytest.mark.parametrize("example", REFUSED, ids=lambda example: example.name)
def test_a_refused_example_is_refused_for_its_reason(example: Example):
    record = example.record
    with pytest.raises(ContractError) as refusal:
        decode(record.key, record.value, record.headers)
    assert refusal.value.reason == example.text["reason"]
    assert str(refusal.value).startswith(f"{example.text['reason']}: {example.text['fault']}: ")


@pytest.mark.parametrize("example", REFUSED, ids=lambda example: example.name)
def test_a_refused_example_differs_from_the_real_one_in_one_place(example: Example):
    """So that it is refused for nothing else."""
    real = next(valid for valid in VALID if valid.path.parent == example.path.parent)
    assert example.text["headers"] == real.text["headers"]
    refused_body, real_body = deepcopy(example.text["body"]), deepcopy(real.text["body"])
    *folders, field = example.text["fault"].split(".")
    refused, accepted = refused_body, real_body
    for folder in folders:
        refused, accepted = refused[folder], accepted[folder]
    absent = object()
    differing = (refused.pop(field, absent), accepted.pop(field, absent))
    assert differing[0] is not differing[1]
    assert refused_body == real_body


@pytest.mark.parametrize("example", REFUSED, ids=lambda example: example.name)
def test_another_reader_with_the_published_schema_refuses_it_too(example: Example):
    schema = json.loads(
        (publish.FOLDER / example.text["headers"]["ce_dataschema"]).read_text(encoding="utf-8")
    )
    refused = not Draft202012Validator(schema).is_valid(example.text["body"])
    assert refused != (example.name in BEYOND_JSON_SCHEMA)


@pytest.mark.parametrize("example", [*VALID, *REFUSED], ids=lambda example: example.name)
def test_an_example_names_a_schema_that_was_published(example: Example):
    assert (publish.FOLDER / example.text["headers"]["ce_dataschema"]).is_file()
