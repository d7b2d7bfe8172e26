"""Sets a process's clock by the broker's, so that machines need not agree on the time.

A deadline lies between times that different processes wrote down: all of them go by the one clock
of whichever broker leads the topic `clock`, which stamps each record there when it takes it.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer

from runtime import clock, metrics
from runtime.clock import Clock, utc_now
from runtime.logs import logger
from runtime.settings import Settings
from runtime.topics import CLOCK, TopicError

log = logger(__name__)
# 10 s: a broker that answers at all answers in milliseconds.
ASK_SECONDS_MAX = 10.0
# 2 s: nothing is left to be sent.
STOP_SECONDS_MAX = 2.0
# 1 s: more than the way to the broker and back takes; somebody should look after such a clock.
WORTH_A_WARNING = timedelta(seconds=1)
LOG_APPEND_TIME = 1


class BrokerClock:
    """The broker's time, asked for once in a process."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._topic = settings.namespace + CLOCK
        self._followed = False

    async def follow(self) -> None:
        """Put this process's clock right by the broker's; does nothing the second time.

        Raises: as `ahead`.
        """
        if self._followed:
            return
        ahead = await self.ahead()
        clock.put_back(ahead)
        self._followed = True
        metrics.clock_ahead_seconds.set(ahead.total_seconds())
        say = log.warning if abs(ahead) > WORTH_A_WARNING else log.info
        say("clock_set_by_broker", ahead_seconds=round(ahead.total_seconds(), 3))

    async def ahead(self, now: Clock = utc_now) -> timedelta:
        """Say how far a clock is ahead of the broker's, to within half the way there and back.

        Raises: TimeoutError after 10 s; KafkaError; TopicError if the topic keeps others' times.
        """
        async with asyncio.timeout(ASK_SECONDS_MAX):
            producer = AIOKafkaProducer(bootstrap_servers=self._servers, linger_ms=0)
            await producer.start()
            try:
                await producer.partitions_for(self._topic)
                asked_at = now()
                taken = await producer.send_and_wait(self._topic, b"")
                between = asked_at + (now() - asked_at) / 2
            finally:
                # A limit of its own: the one around is spent where it is what ended the asking.
                async with asyncio.timeout(STOP_SECONDS_MAX):
                    await producer.stop()
        if taken.timestamp_type != LOG_APPEND_TIME:
            raise TopicError(f"{self._topic} needs message.timestamp.type=LogAppendTime")
        return between - datetime.fromtimestamp(taken.timestamp / 1000, UTC)
