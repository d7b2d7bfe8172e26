"""Writes requests to the log: acknowledged by every replica within 1.5 s, or not at all.

Knows nothing of HTTP, and never waits for the broker on behalf of a later request.
"""

import asyncio
import contextlib
from typing import NoReturn

from ingress.keeping import keep_running
from ingress.ports import BrokerUnavailable
from ingress.producer_link import ProducerLink, SendError
from runtime.broker_clock import BrokerClock
from runtime.logs import logger
from runtime.partitions import partition_of
from runtime.settings import Settings
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.topics import REQUESTS

log = logger(__name__)


class KafkaPublisher:
    """The one writer of `requests` in this process."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._topic = settings.namespace + REQUESTS.name
        self._partition_count = settings.partition_count
        self._clock = BrokerClock(settings)
        self._link: ProducerLink | None = None
        self._keeping: asyncio.Task[NoReturn] | None = None
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether a publish would be tried now."""
        return self._link is not None and not self._link.given_up.is_set()

    async def start(self) -> None:
        """Begin to connect, in the background."""
        self._keeping = asyncio.create_task(keep_running("publisher", self._hold_link))

    async def close(self) -> None:
        """Finish what is being sent and disconnect."""
        self._closing = True
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping

    async def publish(self, envelope: Envelope) -> None:
        """Write one request and return when every replica has it.

        Raises: BrokerUnavailable within 1.5 s; at once while no producer is connected.
        Guarantee: after an error nothing more is sent for this request.
        """
        link = self._link
        if link is None or link.given_up.is_set():
            raise BrokerUnavailable("not connected to the broker")
        partition = partition_of(envelope.event.account_id, self._partition_count)
        try:
            await link.send(encode(envelope), partition)
        except SendError as error:
            raise BrokerUnavailable(str(error), "unknown") from error

    async def _hold_link(self) -> None:
        """Open a link and hold it until it is given up."""
        link = ProducerLink(self._servers, self._topic)
        try:
            await link.open()
            # No request is written down before it can be told when it came.
            await self._clock.follow()
            log.info("publisher_connected", topic=self._topic)
            self._link = link
            await link.given_up.wait()
        finally:
            self._link = None
            if self._closing and not link.given_up.is_set():
                await link.close()
            link.give_up()
            await link.bury()
