"""Asks the broker where partitions end, on a connection of its own.

A broker answers one connection's requests in order, and a consumer's fetch is held for up to 0.5 s;
behind it, a question that takes 1 ms would take half a second.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ingress.calls import within_call
from ingress.keeping import StrayCancellation, stray_cancellations_named
from ingress.ports import BrokerUnavailable

# 1 s: a broker that answers takes milliseconds.
ASK_SECONDS_MAX = 1.0
# 5 s: connecting and learning the topics' leaders takes a few round trips.
OPEN_SECONDS_MAX = 5.0


class LogEnds:
    """One connection that only asks, for committed ends."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._asker = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            retry_backoff_ms=50,
            request_timeout_ms=int(OPEN_SECONDS_MAX * 1000),
        )

    async def open(self, partitions: Sequence[TopicPartition]) -> None:
        """Connect, and learn who leads these partitions.

        Raises: KafkaError, OSError, TimeoutError.
        """
        async with asyncio.timeout(OPEN_SECONDS_MAX):
            await self._asker.start()
            await self._asker.end_offsets(list(partitions))

    async def of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Give the ends as of now.

        Raises: BrokerUnavailable within 1 s.
        """
        try:
            with stray_cancellations_named():
                async with asyncio.timeout(within_call(ASK_SECONDS_MAX)):
                    ends: dict[TopicPartition, int] = await self._asker.end_offsets(
                        list(partitions)
                    )
        except (KafkaError, OSError, StrayCancellation) as error:
            raise BrokerUnavailable(f"the broker does not answer: {error!r}") from error
        return ends

    async def close(self) -> None:
        """Disconnect."""
        with contextlib.suppress(KafkaError, OSError):
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                await self._asker.stop()
