"""The one place where records become events and events become records.

The `private` part of an event is written and read here alone, so that it can be sealed per account
without touching anything else.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.base import UUID_PATTERN, Event
from schemas.envelope import Envelope
from schemas.topics import EVENT_TYPES

Headers = tuple[tuple[str, bytes], ...]
TYPE_PREFIX = "tapeworks."
CONTENT_TYPE = b"application/json"
# 1 MiB: the broker's own limit for a record (`max.message.bytes`), checked before parsing.
VALUE_BYTES_MAX = 1_048_576
_UUID = re.compile(UUID_PATTERN)


class ContractError(Exception):
    """A record does not keep the contract; `reason` is stable, the text is for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """A record's bytes as Kafka carries them."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def kebab_name(event_type: str) -> str:
    """Spell an event's name as its schema's folder does: `credits-reserved`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", event_type).lower()


def schema_name(event_type: type[Event]) -> str:
    """Name the published schema of an event type: `published/<name>/<version>.json`."""
    return f"published/{kebab_name(event_type.__name__)}/{event_type.schema_version}.json"


_TYPE_BY_SCHEMA = {schema_name(event_type): event_type for event_type in EVENT_TYPES.values()}
# What a record of each type says of it, made once: the names are the same for every record.
_TYPE_HEADER = {t: (TYPE_PREFIX + t.__name__).encode() for t in EVENT_TYPES.values()}
_SCHEMA_HEADER = {t: schema_name(t).encode() for t in EVENT_TYPES.values()}
# The three headers of a record that name its type, as a good record has them.
_TYPE_BY_HEADERS: Mapping[tuple[str | None, ...], type[Event]] = {
    ("1.0", TYPE_PREFIX + t.__name__, schema_name(t)): t for t in EVENT_TYPES.values()
}


def encode(envelope: Envelope) -> Record:
    """Write an envelope as one record.

    Shape: key: the account's id; value: the event, UTF-8 JSON, absent fields left out.
    Source: CloudEvents 1.0, Kafka protocol binding, binary content mode.
    """
    event = envelope.event
    subject = getattr(event, "job_id", event.account_id)
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.event_id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", _TYPE_HEADER[type(event)]),
        ("ce_time", event.occurred_at.isoformat().replace("+00:00", "Z").encode()),
        ("ce_subject", subject.encode()),
        ("ce_dataschema", _SCHEMA_HEADER[type(event)]),
        ("content-type", CONTENT_TYPE),
        ("correlation_id", envelope.correlation_id.encode()),
        ("causation_id", envelope.causation_id.encode()),
    ]
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    value = event.model_dump_json(exclude_none=True).encode()
    return Record(event.account_id.encode(), value, tuple(headers))


def decode(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
) -> Envelope:
    """Read one record back.

    Raises: ContractError, whose reason is one of `empty_value`, `too_large`, `bad_header`,
    `unknown_type`, `unknown_version`, `bad_body`, `wrong_key`; nothing else.
    """
    if not value:
        raise ContractError("empty_value", "the record has no body; a public topic has no deletes")
    if len(value) > VALUE_BYTES_MAX:
        raise ContractError("too_large", f"{len(value)} bytes; at most {VALUE_BYTES_MAX}")
    texts = _header_texts(headers)
    named = texts.get("ce_specversion"), texts.get("ce_type"), texts.get("ce_dataschema")
    # The table knows every good combination; what it does not know is refused with its reason.
    event_type = _TYPE_BY_HEADERS.get(named) or _event_type(texts)
    try:
        event = event_type.model_validate_json(value)
    except ValidationError as error:
        raise ContractError("bad_body", _first_fault(error)) from error
    # Only a body with the word is looked at again; it may well be a person's.
    if b"null" in value:
        _refuse_null(json.loads(value), "")
    if key is None or key != event.account_id.encode():
        raise ContractError("wrong_key", f"the key is {key!r}, the account is {event.account_id!r}")
    return Envelope(
        event=event,
        event_id=_required_uuid(texts, "ce_id"),
        source=_required(texts, "ce_source"),
        correlation_id=_required_uuid(texts, "correlation_id"),
        causation_id=_required_uuid(texts, "causation_id"),
        traceparent=texts.get("traceparent"),
    )


def _header_texts(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    try:
        return {name: (content or b"").decode() for name, content in headers}
    except UnicodeDecodeError as error:
        raise ContractError("bad_header", f"a header is not UTF-8: {error.reason}") from error


def _required(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name)
    if not text:
        raise ContractError("bad_header", f"the header {name} is missing or empty")
    return text


def _required_uuid(texts: Mapping[str, str], name: str) -> str:
    text = _required(texts, name)
    if not _UUID.fullmatch(text):
        raise ContractError("bad_header", f"the header {name} is no UUID: {text[:100]!r}")
    return text


def _event_type(texts: Mapping[str, str]) -> type[Event]:
    if _required(texts, "ce_specversion") != "1.0":
        raise ContractError("bad_header", f"ce_specversion is {texts['ce_specversion']!r}, not 1.0")
    type_name = _required(texts, "ce_type")
    named = EVENT_TYPES.get(type_name.removeprefix(TYPE_PREFIX))
    if named is None or not type_name.startswith(TYPE_PREFIX):
        raise ContractError("unknown_type", f"ce_type is {type_name[:200]!r}")
    schema = _required(texts, "ce_dataschema")
    if _TYPE_BY_SCHEMA.get(schema) is not named:
        raise ContractError(
            "unknown_version", f"ce_dataschema is {schema[:200]!r}; known: {schema_name(named)}"
        )
    return named


def _refuse_null(part: object, where: str) -> None:
    """Refuse a null anywhere: no published schema has one, an absent field is left out."""
    if part is None:
        raise ContractError("bad_body", f"{where}: null; leave an absent field out")
    if isinstance(part, dict):
        for name, inner in part.items():
            _refuse_null(inner, f"{where}.{name}" if where else name)


def _first_fault(error: ValidationError) -> str:
    """Say where and how a body is wrong, without repeating what a person wrote in it."""
    fault = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "body"
    return f"{where}: {fault['msg']}"[:500]
