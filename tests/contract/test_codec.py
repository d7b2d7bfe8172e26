"""Every event survives its way through a record, with the headers CloudEvents asks for."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import strategies as st

from schemas.base import Event
from schemas.codec import VALUE_BYTES_MAX, Record, decode, encode, kebab_name
from schemas.envelope import Cause, Envelope, derived_event_id
from schemas.requests import CancellationRequested
from schemas.topics import EVENT_TYPES
from tests.contract.strategies import any_event, events, whatever

CAUSE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
JOB_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CAUSE = Cause(CAUSE_ID, JOB_ID, TRACE)


def read(record: Record) -> Envelope:
    return decode(record.key, record.value, record.headers)


@pytest.mark.parametrize("event_type", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
@whatever(data=st.data())
def test_what_is_written_is_read_back_as_it_was(event_type: type[Event], data: st.DataObject):
    envelope = CAUSE.envelop(data.draw(events(event_type)), 0, "/tests")
    record = encode(envelope)
    assert record.value is not None
    assert len(record.value) <= VALUE_BYTES_MAX
    assert read(record) == envelope
    assert encode(read(record)) == record


@whatever(event=any_event, trace=st.none() | st.just(TRACE))
def test_a_record_carries_every_header_once_and_nothing_else(event: Event, trace: str | None):
    """CloudEvents 1.0, Kafka binding, binary mode; I44."""
    record = encode(Cause(CAUSE_ID, JOB_ID, trace).envelop(event, 3, "/tests"))
    name = type(event).__name__
    body = json.loads(record.value or b"")
    assert record.key == event.account_id.encode()
    assert record.headers == (
        ("ce_specversion", b"1.0"),
        ("ce_id", derived_event_id(CAUSE_ID, name, 3).encode()),
        ("ce_source", b"/tests"),
        ("ce_type", b"tapeworks." + name.encode()),
        ("ce_time", body["occurred_at"].encode()),
        ("ce_subject", body.get("job_id", event.account_id).encode()),
        ("ce_dataschema", f"published/{kebab_name(name)}/1.0.0.json".encode()),
        ("content-type", b"application/json"),
        ("correlation_id", JOB_ID.encode()),
        ("causation_id", CAUSE_ID.encode()),
        *((("traceparent", trace.encode()),) if trace else ()),
    )


@whatever(event=any_event)
def test_an_absent_field_is_left_out_and_nothing_is_ever_null(event: Event):
    """Style section 6: no nullable where absent will do."""
    value = encode(CAUSE.envelop(event, 0, "/tests")).value or b""

    def nulls(part: object) -> bool:
        if isinstance(part, dict):
            return any(nulls(inner) for inner in part.values())
        if isinstance(part, list):
            return any(nulls(inner) for inner in part)
        return part is None

    assert not nulls(json.loads(value))


def test_a_time_of_another_zone_is_the_same_moment_in_utc():
    noon_in_tokyo = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=9)))
    event = CancellationRequested(
        account_id="alice", occurred_at=noon_in_tokyo, job_id=JOB_ID, requested_by="owner"
    )
    assert event.occurred_at.tzinfo == UTC
    assert b'"occurred_at":"2026-11-21T03:00:00Z"' in (
        encode(CAUSE.envelop(event, 0, "/tests")).value or b""
    )


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("CreditsReserved", "credits-reserved"),
        ("GenerationRequested", "generation-requested"),
        ("Single", "single"),
    ],
)
def test_an_events_schema_is_spelled_in_lower_case_with_hyphens(name, spelled):
    assert kebab_name(name) == spelled


@whatever(event=any_event)
def test_an_event_cannot_be_changed(event: Event):
    with pytest.raises(ValueError, match="Instance is frozen"):
        event.account_id = "mallory"  # type: ignore[misc]  # the point of the test
