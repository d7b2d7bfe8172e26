"""Where a record goes that cannot be decided: aside, whole, with the reason; never away."""

from runtime.event_log.fenced_producer import OutgoingRecord
from runtime.event_log.program import InputRecord
from schemas.codec import Headers


def dead_letter(
    record: InputRecord, topic: str, partition: int, *, reason: str, detail: str, by: str
) -> OutgoingRecord:
    """Make the dead-letter record: the original bytes and headers, its place, the reason."""
    about: Headers = (
        ("dead_letter_topic", record.topic.encode()),
        ("dead_letter_partition", str(partition).encode()),
        ("dead_letter_offset", str(record.offset).encode()),
        ("dead_letter_reason", reason.encode()),
        ("dead_letter_detail", detail[:1000].encode()),
        ("dead_letter_by", by.encode()),
    )
    key, value = record.key, record.value
    if key is None and value is None:
        # A record needs one of the two; the flag says that the original had neither.
        return OutgoingRecord(topic, b"", None, (*record.headers, *about))
    return OutgoingRecord(topic, key, value, (*record.headers, *about))
