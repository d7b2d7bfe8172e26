"""What other teams see: librdkafka and the broker's own tool read what ours wrote."""

import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from jsonschema import Draft202012Validator

from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS, PUBLIC_TOPICS
from tests.system.jobs import post, until_ended

SCHEMAS = Path(__file__).parents[2] / "schemas"
HEADERS = {
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_subject",
    "ce_dataschema",
    "content-type",
    "correlation_id",
    "causation_id",
}


@pytest.fixture(scope="module")
def records(system):
    """Read every record of the three public topics with librdkafka, committed ones only."""
    customer = system.new_account(100)
    with customer.client() as client:
        until_ended(client, post(client).json()["id"])
    consumer = Consumer(
        {
            "bootstrap.servers": system.variables["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": "another-team",
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    sources = [
        TopicPartition(topic.name, partition, 0)
        for topic in PUBLIC_TOPICS
        for partition in range(system.settings.partition_count)
    ]
    consumer.assign(sources)
    found: list[Any] = []
    ended: set[tuple[str, int]] = set()
    try:
        while len(ended) < len(sources):
            message = consumer.poll(20)
            assert message is not None, f"only {len(ended)} of {len(sources)} partitions ended"
            if message.error():
                ended.add((message.topic(), message.partition()))
            else:
                found.append(message)
    finally:
        consumer.close()
    assert found
    return found


def test_every_record_has_all_cloudevents_headers_I44(records):
    for message in records:
        headers = dict(message.headers())
        assert headers.keys() - {"traceparent"} == HEADERS
        assert headers["ce_specversion"] == b"1.0"
        assert headers["ce_type"].startswith(b"tapeworks.")
        assert headers["content-type"] == b"application/json"


def test_every_body_keeps_to_the_published_schema_its_header_names(records):
    for message in records:
        headers = dict(message.headers())
        schema = json.loads((SCHEMAS / headers["ce_dataschema"].decode()).read_text())
        Draft202012Validator(schema).validate(json.loads(message.value()))
        assert f"tapeworks.{schema['title']}".encode() == headers["ce_type"]


def test_ids_are_unique_and_ledger_sequences_unbroken(records):
    ids = [dict(message.headers())["ce_id"] for message in records]
    assert len(ids) == len(set(ids))
    sequences: dict[bytes, list[int]] = defaultdict(list)
    for message in records:
        if message.topic() == LEDGER_EVENTS.name:
            sequences[message.key()].append(json.loads(message.value())["sequence"])
    assert sequences
    for account_id, sequence in sequences.items():
        assert sequence == list(range(1, len(sequence) + 1)), account_id


def test_the_events_of_an_account_are_in_one_partition_number_I18(records):
    partitions: dict[bytes, set[int]] = defaultdict(set)
    for message in records:
        partitions[message.key()].add(message.partition())
    assert all(len(numbers) == 1 for numbers in partitions.values())


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("topic", [LEDGER_EVENTS.name, GENERATION_EVENTS.name])
def test_every_batch_of_the_event_topics_was_written_by_a_transaction(system, topic):
    """A dump of the broker's own segments (torture.md row 16)."""
    segments = sorted((system.state_dir / "kafka").rglob(f"{topic}-*/*.log"))
    attributes = [bits for segment in segments for bits in batch_attributes(segment.read_bytes())]
    assert attributes
    assert all(bits & IS_TRANSACTIONAL for bits in attributes)


# Record batch of magic 2: base offset 8, length 4, leader epoch 4, magic 1, CRC 4, attributes 2
# bytes. Source: Kafka's documented message format; bit 4 says that it belongs to a transaction.
BATCH_HEAD = struct.Struct(">qiibIh")
LENGTH_COUNTS_FROM = 12
IS_TRANSACTIONAL = 0b10000


def batch_attributes(segment: bytes) -> Iterator[int]:
    """Walk over the batches of one segment file."""
    at = 0
    while at + BATCH_HEAD.size <= len(segment):
        _, length, _, magic, _, attributes = BATCH_HEAD.unpack_from(segment, at)
        if length <= 0:
            return  # the rest of the file is laid out, not written
        assert magic == 2, f"a batch of magic {magic}"
        yield attributes
        at += LENGTH_COUNTS_FROM + length
