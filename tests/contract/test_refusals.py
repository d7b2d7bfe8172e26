"""Bytes that break the contract are refused with a stable reason, and nothing else is raised."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import strategies as st

from schemas.codec import VALUE_BYTES_MAX, ContractError, Headers, decode
from tests.contract.frozen import VALID
from tests.contract.strategies import whatever

EXAMPLE = next(e for e in VALID if e.path.parent.name == "reservation-declined")
KEY, HEADERS = EXAMPLE.record.key, EXAMPLE.record.headers
REASONS = {
    "empty_value",
    "too_large",
    "bad_header",
    "unknown_type",
    "unknown_version",
    "bad_body",
    "wrong_key",
}


def with_headers(**changed: bytes | None) -> Headers:
    """Change headers of a good record; None takes one away."""
    headers = {**dict(HEADERS), **changed}
    return tuple((name, content) for name, content in headers.items() if content is not None)


def body(**changed: Any) -> bytes:
    return json.dumps({**EXAMPLE.text["body"], **changed}).encode()


def raw_body(field: str, raw: str) -> bytes:
    """Put text that no JSON writer would write in place of a field's value."""
    return body(**{field: "PLACE"}).replace(b'"PLACE"', raw.encode())


def refusal(value: bytes | None, key: bytes | None = KEY, headers: Headers = HEADERS) -> str:
    with pytest.raises(ContractError) as refused:
        decode(key, value, headers)
    assert refused.value.reason in REASONS
    return str(refused.value)


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_body_is_refused(value):
    """A tombstone deletes nothing on a public topic."""
    assert refusal(value).startswith("empty_value: ")


def test_a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not():
    small = body()
    exact = small + b" " * (VALUE_BYTES_MAX - len(small))
    assert decode(KEY, exact, HEADERS).event_type == "ReservationDeclined"
    assert refusal(exact + b" ") == "too_large: 1048577 bytes; at most 1048576"


# Headers.


@pytest.mark.parametrize(
    "name",
    [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_dataschema",
        "correlation_id",
        "causation_id",
    ],
)
@pytest.mark.parametrize("content", [None, b""])
def test_a_record_without_one_of_its_headers_is_refused(name, content):
    """I44."""
    assert refusal(body(), headers=with_headers(**{name: content})) == (
        f"bad_header: the header {name} is missing or empty"
    )


def test_a_header_of_null_counts_as_empty():
    """The broker's own shape allows it, whatever the client's type says."""
    assert refusal(body(), headers=(*HEADERS, ("ce_id", None))) == (  # type: ignore[arg-type]  # as Kafka may
        "bad_header: the header ce_id is missing or empty"
    )


def test_a_header_that_is_not_utf_8_is_refused():
    assert refusal(body(), headers=with_headers(traceparent=b"\xff")) == (
        "bad_header: a header is not UTF-8: invalid start byte"
    )


def test_another_version_of_cloudevents_is_refused():
    assert refusal(body(), headers=with_headers(ce_specversion=b"0.3")) == (
        "bad_header: ce_specversion is '0.3', not 1.0"
    )


@pytest.mark.parametrize(
    "name", [b"tapeworks.CreditsStolen", b"ReservationDeclined", b"x.ReservationDeclined"]
)
def test_a_type_nobody_declared_is_refused(name):
    assert refusal(body(), headers=with_headers(ce_type=name)) == (
        f"unknown_type: ce_type is {name.decode()!r}"
    )


def test_a_long_stranger_is_not_repeated_whole():
    stranger = with_headers(ce_type=b"x" * 100_000)
    assert len(refusal(body(), headers=stranger)) < 300
    assert len(refusal(body(), headers=with_headers(ce_dataschema=b"x" * 100_000))) < 400


@pytest.mark.parametrize(
    "schema",
    [
        b"published/reservation-declined/1.0.1.json",
        b"published/reservation-declined/2.0.0.json",
        b"published/credits-reserved/1.0.0.json",  # a schema, but of another type
        b"reservation-declined",
    ],
)
def test_a_version_nobody_published_is_refused(schema):
    assert refusal(body(), headers=with_headers(ce_dataschema=schema)) == (
        f"unknown_version: ce_dataschema is {schema.decode()!r}; "
        "known: published/reservation-declined/1.0.0.json"
    )


# Bodies.


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (b"\x00", "body: Invalid JSON"),
        (body()[:-1], "body: Invalid JSON: EOF"),
        (body()[:40], "body: Invalid JSON: EOF"),
        (body() + b"{}", "body: Invalid JSON: trailing characters"),
        (b"\xef\xbb\xbf" + body(), "body: Invalid JSON"),
        (body(requested_by="x").replace(b'"x"', b'"\xff"'), "body: Invalid JSON"),
        (raw_body("code", r'"\ud800"'), "body: Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (b"null", "body: Input should be an object"),
        (b'"text"', "body: Input should be an object"),
        (b"[" * 10_000 + b"]" * 10_000, "body: Invalid JSON: recursion limit exceeded"),
        (
            raw_body("details", '{"x":' * 10_000 + "1" + "}" * 10_000),
            "body: Invalid JSON: recursion limit exceeded",
        ),
        (raw_body("sequence", "NaN"), "sequence: Input should be a valid integer"),
        (raw_body("balance_after", "1" + "0" * 400), "balance_after: Input should be less than"),
        (raw_body("balance_after", "-1" + "0" * 400), "balance_after: Input should be greater"),
        (raw_body("balance_after", "1" + "0" * 5000), "body: Invalid JSON: number out of range"),
        (raw_body("balance_after", "1e400"), "balance_after: Input should be a valid integer"),
        (body(balance_after=9_007_199_254_740_992), "balance_after: Input should be less than"),
        (raw_body("details", '{"ratio":NaN}'), "details.ratio"),
        (raw_body("details", '{"ratio":Infinity}'), "details.ratio"),
        (raw_body("details", '{"ratio":1e400}'), "details.ratio"),
        (body(details={"deep": [[1]]}), "details.deep"),
        (body(details={"nothing": None}), "details.nothing"),
        (body(sequence=True), "sequence: Input should be a valid integer"),
        (body(sequence="3"), "sequence: Input should be a valid integer"),
        (body(sequence=3.0), "sequence: Input should be a valid integer"),
        (body(sequence=None), "sequence: Input should be a valid integer"),
        (body(mood="good"), "mood: Extra inputs are not permitted"),
        (body(account_id="alice\n"), "account_id: String should match pattern"),
        (body(account_id=17), "account_id: Input should be a valid string"),
        (body(occurred_at="2026-11-21T12:00:00"), "occurred_at: Input should have timezone info"),
        (body(occurred_at="2026-11-21"), "occurred_at: Input should be a valid datetime"),
        (body(occurred_at=1_795_000_000), "occurred_at: Input should be a valid datetime"),
    ],
    ids=range(33),
)
def test_a_body_that_is_not_its_types_is_refused_with_the_place(value, fault):
    assert refusal(value).startswith(f"bad_body: {fault}")


def test_a_field_that_is_missing_is_named():
    stripped: Mapping[str, Any] = {k: v for k, v in EXAMPLE.text["body"].items() if k != "code"}
    assert refusal(json.dumps(stripped).encode()) == "bad_body: code: Field required"


def test_a_refusal_never_repeats_what_a_person_wrote():
    """I28: the text goes to logs and dead letters."""
    assert "hunter2" not in refusal(body(code="hunter2"))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_outside_all_calendars_is_refused_like_any_other_bad_body(moment):
    """UTC has no such moment; nothing but ContractError may be raised."""
    assert refusal(body(occurred_at=moment)).startswith("bad_body: ")


def test_a_null_where_a_field_may_be_absent_is_refused_with_the_place():
    """The published schema has no null and no writer sends one."""
    assert refusal(body(first_answer=None)) == (
        "bad_body: first_answer: null; leave an absent field out"
    )


def test_the_word_null_in_a_text_is_a_word():
    assert decode(KEY, body(details={"model": "null"}), HEADERS).event_type == "ReservationDeclined"


# Keys.


@pytest.mark.parametrize("key", [None, b"", b"bob", b"ALICE", b"alice "])
def test_a_record_under_another_key_than_its_account_is_refused(key):
    """I18: one account, one partition."""
    assert refusal(body(), key=key) == (f"wrong_key: the key is {key!r}, the account is 'alice'")


# Anything at all.


@whatever(
    key=st.none() | st.just(KEY) | st.binary(max_size=20),
    value=st.none()
    | st.binary(max_size=200)
    | st.integers(0, len(body())).map(lambda cut: body()[:cut])
    | st.tuples(st.integers(0, len(body()) - 1), st.integers(0, 255)).map(
        lambda place: body()[: place[0]] + bytes([place[1]]) + body()[place[0] + 1 :]
    ),
    headers=st.just(HEADERS) | st.lists(st.tuples(st.text(), st.binary(max_size=20))).map(tuple),
)
def test_whatever_the_bytes_nothing_but_a_refusal_is_raised(key, value, headers):
    try:
        account_id, reason = decode(key, value, headers).event.account_id.encode(), None
    except ContractError as refused:
        account_id, reason = key, refused.reason
    assert account_id == key
    assert reason in {None, *REASONS}


@pytest.mark.parametrize("name", ["ce_id", "correlation_id", "causation_id"])
def test_an_id_that_is_no_uuid_is_refused_before_anything_is_derived_from_it(name):
    refused = refusal(EXAMPLE.record.value, headers=with_headers(**{name: b"7"}))
    assert refused == f"bad_header: the header {name} is no UUID: '7'"
