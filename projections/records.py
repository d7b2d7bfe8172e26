"""What a projection reads: records of one partition, and what was made of their bytes. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.codec import ContractError, Headers, decode
from schemas.envelope import Envelope
from schemas.topics import TOPIC_BY_EVENT


@dataclass(frozen=True, slots=True)
class ProjectionRecord:
    """One record as it came from Kafka."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Reading:
    """One record after decoding: an event, or the reason why it is passed over."""

    offset: int
    outcome: Envelope | ContractError


def read_records(topic: str, records: Iterable[ProjectionRecord]) -> list[Reading]:
    """Decode the records of a topic, named without the namespace; nothing is raised."""
    return [Reading(record.offset, _outcome(topic, record)) for record in records]


def _outcome(topic: str, record: ProjectionRecord) -> Envelope | ContractError:
    try:
        envelope = decode(record.key, record.value, record.headers)
    except ContractError as error:
        return error
    if TOPIC_BY_EVENT[type(envelope.event)].name != topic:
        # One writer per topic (decision 0009): whoever wrote this is not the one who may.
        return ContractError("wrong_topic", f"{envelope.event_type} does not belong to {topic}")
    return envelope
