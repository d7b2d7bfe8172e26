"""Says when others can read what a lane has committed.

The broker answers a commit before it has written the markers that let committed records be read.
Should it lose them (decision 0032), the records may still be taken back: nothing that cannot be
undone may follow from them before they can be read.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.exits import Die

# 10 s: markers follow a commit within milliseconds; where none come, somebody else has to find out.
WITHIN_SECONDS = 10.0
# 5 ms, doubled up to 100: a broker under load takes some tens of milliseconds.
FIRST_WAIT_SECONDS = 0.005
WAIT_SECONDS_MAX = 0.1


class ReadableEnd:
    """The end of one partition for those who read committed records only."""

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        partition: int,
        die: Die,
        consumer_of: Callable[..., Any] = AIOKafkaConsumer,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._source = TopicPartition(topic, partition)
        self._die = die
        self._consumer_of = consumer_of
        self._asker: Any = None
        self._end = 0
        self._asking = asyncio.Lock()

    async def passes(self, end: int) -> None:
        """Return once every record before `end` can be read, or end the process after 10 s."""
        loop = asyncio.get_running_loop()
        give_up_at, wait_seconds = loop.time() + WITHIN_SECONDS, FIRST_WAIT_SECONDS
        while self._end < end:
            try:
                async with asyncio.timeout(WITHIN_SECONDS), self._asking:
                    # Whoever waited for another's question may have its answer.
                    if self._end < end:
                        self._end = await self._asked()
            except Exception as error:  # noqa: BLE001  whatever it is: nobody knows whether it is committed
                self._die(f"{self._source}: cannot be asked for its end: {error!r}")
            if self._end >= end:
                return
            if loop.time() > give_up_at:
                self._die(f"{self._source}: committed up to {end}, but read only up to {self._end}")
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, WAIT_SECONDS_MAX)

    async def _asked(self) -> int:
        if self._asker is None:
            asker = self._consumer_of(
                bootstrap_servers=self._bootstrap_servers,
                isolation_level="read_committed",
                enable_auto_commit=False,
            )
            await asker.start()
            self._asker = asker
        ends: dict[TopicPartition, int] = await self._asker.end_offsets([self._source])
        return ends[self._source]

    async def close(self) -> None:
        """Close the connection, if there is one."""
        asker, self._asker = self._asker, None
        if asker is not None:
            async with asyncio.timeout(WITHIN_SECONDS):
                await asker.stop()
