from types import SimpleNamespace

from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.drivers import aiokafka as driver

from runtime.transport import FETCH_WAIT_MS, HardenedConsumerThread


async def test_the_settings_that_faust_does_not_offer_reach_the_client(monkeypatch):
    """Decisions 0005 and 0035; aiokafka reads these names when a consumer starts."""
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    wanted = {
        "_isolation_level": "read_committed",
        "_fetch_max_wait_ms": FETCH_WAIT_MS,
        "_partition_assignment_strategy": [RangePartitionAssignor],
        "_group_instance_id": "ledger-2",
    }
    assert all(getattr(consumer, name) != value for name, value in wanted.items())
    send = consumer._client.send
    monkeypatch.setattr(
        driver.AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: consumer
    )
    thread = HardenedConsumerThread.__new__(HardenedConsumerThread)
    transport = SimpleNamespace(app=SimpleNamespace(instance_id="ledger-2"))
    assert thread._create_worker_consumer(transport) is consumer
    assert {name: getattr(consumer, name) for name in wanted} == wanted
    assert consumer._client.send != send, "silent connections are given up"
    await consumer.stop()
