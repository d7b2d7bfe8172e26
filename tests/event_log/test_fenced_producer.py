"""What a transaction holds, when it is more than one batch of the client."""

from runtime.event_log.fenced_producer import FencedProducer, OutgoingRecord
from runtime.settings import Settings
from tests.event_log.feeding import PARTITION, raise_died, read

# A client's batch holds 1 MiB: the third of these needs one of its own.
VALUES = [bytes([65 + number]) * 400_000 for number in range(5)]


async def test_records_beyond_one_batch_are_all_written_in_their_order(settings: Settings) -> None:
    topic = settings.namespace + "ledger.events"
    producer = FencedProducer(settings.kafka_bootstrap_servers, topic, PARTITION, raise_died)
    await producer.open()
    await producer.write([OutgoingRecord(topic, b"key", value) for value in VALUES], "nobody", {})
    await producer.close()
    assert [record.value for record in await read(settings, "ledger.events")] == VALUES
