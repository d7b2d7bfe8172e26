"""One producer instance: sends until something goes wrong, then is given up with all it holds.

A stock producer keeps a record whose caller gave up and sends it when the broker is back, and its
`stop` waits to send what it holds. Here nothing leaves after the error was told. That needs
private parts of aiokafka 0.14.0, which is pinned; tests/ingress/test_producer_link.py holds them.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ingress.keeping import StrayCancellation, stray_cancellations_named
from runtime.logs import logger
from schemas.codec import Record

log = logger(__name__)
# 1.5 s: leaves half a second of the 2 s within which a POST says 503.
SEND_SECONDS_MAX = 1.5
# 5 s: connecting, the metadata and the producer's id take three round trips.
OPEN_SECONDS_MAX = 5.0
# 2 s: what waits in a closed connection has nowhere to go.
CLOSE_SECONDS_MAX = 2.0
# SO_LINGER on, 0 s: closing throws away what the kernel still holds, and resets the connection.
_LINGER_NONE = struct.pack("ii", 1, 0)


class SendError(Exception):
    """A record was not acknowledged; whether it was written is not known."""


class ProducerLink:
    """One idempotent producer on one topic."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers.split(","),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            request_timeout_ms=int(SEND_SECONDS_MAX * 1000),
            retry_backoff_ms=50,
        )
        # The tasks in which aiokafka writes to a connection.
        self._writing: set[asyncio.Task[Any]] = set()
        self.given_up = asyncio.Event()

    async def open(self) -> None:
        """Connect, and learn what a send would otherwise wait for.

        Raises: KafkaError, OSError, TimeoutError; the link must be given up then.
        """
        sender = self._producer._sender  # noqa: SLF001  see the module's docstring
        sender._send_produce_req = self._noted(sender._send_produce_req)  # noqa: SLF001  the same
        async with asyncio.timeout(OPEN_SECONDS_MAX):
            await self._producer.start()
            await self._producer.partitions_for(self._topic)

    async def send(self, record: Record, partition: int) -> None:
        """Send one record and return when it is acknowledged.

        Raises: SendError within 1.5 s; the link is given up then.
        """
        try:
            with stray_cancellations_named():
                async with asyncio.timeout(SEND_SECONDS_MAX):
                    await self._acknowledged(record, partition)
        except (KafkaError, OSError, SendError, StrayCancellation) as error:
            if not self.given_up.is_set():
                log.warning("producer_given_up", error=repr(error))
            self.give_up()
            raise SendError(repr(error)) from error

    def give_up(self) -> None:
        """Drop everything this instance holds, now; every send under way fails.

        Guarantee: nothing is sent after this returns; what the broker's machine has already
        received may still be written.
        """
        if self.given_up.is_set():
            return
        self.given_up.set()
        producer = self._producer
        # Its own end would be a warning: we are its end.
        producer._closed = True  # noqa: SLF001  see the module's docstring
        for connection in producer.client._conns.values():  # noqa: SLF001  the same
            _reset(connection)
        for task in self._writing:
            task.cancel()
        if producer._sender.sender_task is not None:  # noqa: SLF001  the same
            producer._sender.sender_task.cancel()  # noqa: SLF001  the same
        producer._message_accumulator.fail_all(SendError("given up"))  # noqa: SLF001  the same

    async def bury(self) -> None:
        """Wait until a link that was given up is gone; to be called once."""
        producer = self._producer
        sender_task = producer._sender.sender_task  # noqa: SLF001  see the module's docstring
        for ending in (_ended(sender_task), producer.client.close()):
            try:
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await ending
            except Exception as error:  # noqa: BLE001  it is gone, however it went
                log.debug("producer_end", error=repr(error))

    async def close(self) -> None:
        """Send what is under way and end; at a shutdown without an error."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await self._producer.stop()
        except Exception as error:  # noqa: BLE001  whatever it was, it must be gone
            log.warning("producer_not_stopped", error=repr(error))
        self.give_up()

    async def _acknowledged(self, record: Record, partition: int) -> None:
        delivery = await self._producer.send(
            self._topic,
            value=record.value,
            key=record.key,
            partition=partition,
            headers=list(record.headers),
        )
        await delivery

    def _noted(self, send_request: Any) -> Any:  # noqa: ANN401  aiokafka has no types
        """Wrap aiokafka's task body so that each task that writes is known."""

        async def noted(*args: Any) -> None:  # noqa: ANN401  passed through
            task = asyncio.current_task()
            assert task is not None, "aiokafka writes in tasks"
            if self.given_up.is_set():
                return
            self._writing.add(task)
            try:
                await send_request(*args)
            finally:
                self._writing.discard(task)

        return noted


async def _ended(task: "asyncio.Task[Any] | None") -> None:
    if task is None:
        return
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.05)
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()


def _reset(connection: Any) -> None:  # noqa: ANN401  aiokafka has no types
    """Throw away what a connection still holds, in asyncio's buffer and in the kernel's."""
    writer = connection._writer  # noqa: SLF001  see the module's docstring
    if writer is None:
        return
    raw = writer.transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    writer.transport.abort()
