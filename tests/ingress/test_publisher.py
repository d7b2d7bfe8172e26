"""What the publisher does without a broker; with one, tests/broker says the rest."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingress import producer_link
from ingress.ports import BrokerUnavailable
from ingress.producer_link import ProducerLink, SendError
from ingress.publisher import KafkaPublisher
from runtime.settings import Settings
from schemas.codec import Record
from schemas.envelope import Envelope
from schemas.requests import CancellationRequested
from tests.ingress.fakes import NOON


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """Accept connections and never answer, as a broker that stands still."""
    release = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    yield f"{host}:{port}"
    release.set()
    server.close()
    await server.wait_closed()


def request() -> Envelope:
    event = CancellationRequested(
        account_id="ann",
        occurred_at=NOON,
        job_id="00000000-0000-4000-8000-000000000000",
        requested_by="owner",
    )
    return Envelope(event, "event", "/tapeworks/ingress", "job", "request")


async def test_without_a_connection_a_publish_is_refused_at_once(closed_port: str):
    publisher = KafkaPublisher(Settings(kafka_bootstrap_servers=closed_port))
    await publisher.start()
    began_at = asyncio.get_running_loop().time()
    with pytest.raises(BrokerUnavailable) as refused:
        await publisher.publish(request())
    assert refused.value.outcome == "nothing_sent"
    assert asyncio.get_running_loop().time() - began_at < 0.1
    assert not publisher.connected
    await publisher.close()


async def test_a_link_to_nobody_does_not_open_and_leaves_nothing_behind(closed_port: str):
    link = ProducerLink(closed_port, "requests")
    with pytest.raises(KafkaError):
        await link.open()
    link.give_up()
    await link.bury()


async def test_a_broker_that_stands_still_is_given_up_in_time(silent_server: str, monkeypatch):
    monkeypatch.setattr(producer_link, "OPEN_SECONDS_MAX", 0.05)
    link = ProducerLink(silent_server, "requests")
    with pytest.raises(TimeoutError):
        await link.open()
    link.give_up()
    await link.bury()


async def test_a_send_is_given_up_in_time_and_the_link_with_it(closed_port: str, monkeypatch):
    monkeypatch.setattr(producer_link, "SEND_SECONDS_MAX", 0.05)
    link = ProducerLink(closed_port, "requests")
    with pytest.raises(SendError):
        await link.send(Record(b"ann", b"{}", ()), 0)
    assert link.given_up.is_set()
    await link.bury()


async def test_the_private_parts_that_giving_up_needs_are_where_they_were():
    """aiokafka 0.14.0; runtime.transport refuses any other version."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", enable_idempotence=True)
    assert callable(producer._sender._send_produce_req)
    assert producer._sender.sender_task is None
    assert producer.client._conns == {}
    assert callable(producer._message_accumulator.fail_all)
    assert producer._closed is False
    await producer.stop()
