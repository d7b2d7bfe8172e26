"""Sees the ledger's decisions: reads every partition of `ledger.events` from its end.

No group and no commits: a decision that nobody waits for is of no interest here.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from ingress.keeping import keep_running
from ingress.log_ends import LogEnds
from ingress.ports import BrokerUnavailable, TooManyWaiting
from runtime import metrics
from runtime.clock import monotonic_seconds
from runtime.logs import logger
from runtime.settings import Settings
from schemas.codec import ContractError, decode
from schemas.envelope import Envelope
from schemas.topics import LEDGER_EVENTS, REQUESTS

log = logger(__name__)
# 60 s: a request that is still undecided then counts no longer. Its decision may never come: a
# record nobody could read is set aside without one.
UNDECIDED_SECONDS_MAX = 60.0
# 1 s between looks at the log's end; one look takes 1 ms.
CHECK_SECONDS = 1.0
# 10 s without an answer: the consumer is made anew instead of trusted to recover.
LOST_SECONDS_MAX = 10.0
START_SECONDS_MAX = 5.0


class Waiting:
    """One call's wait for one decision."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[Envelope | None] = asyncio.get_running_loop().create_future()

    def done(self) -> bool:
        """Whether the decision is there."""
        return self._future.done()

    @property
    def decided(self) -> bool:
        """Whether it is there and nobody has given up before it came."""
        return self._future.done() and self._future.result() is not None

    async def within(self, seconds: float) -> Envelope | None:
        """Wait for it at most so long, once; None if it did not come."""
        if self._future.done():
            return self._future.result()
        # A timer of our own takes 3 us, `asyncio.timeout` 6 and `asyncio.wait` 7.
        too_late = self._future.get_loop().call_later(seconds, self._settle, None)
        try:
            return await self._future
        finally:
            too_late.cancel()

    def decide(self, envelope: Envelope) -> None:
        """Give it; the first one stands."""
        self._settle(envelope)

    def _settle(self, answer: Envelope | None) -> None:
        if not self._future.done():
            self._future.set_result(answer)


class WaitingRoom:
    """Who waits for which decision, and how far the ledger is behind with what was asked here.

    A request whose call gave up is on the log all the same: until it is decided, it counts.
    """

    def __init__(self, undecided_max: int, clock: Callable[[], float] = monotonic_seconds) -> None:
        self._undecided_max = undecided_max
        self._clock = clock
        self._by_cause: dict[str, Waiting] = {}
        # When each call gave up, oldest first.
        self._given_up: dict[str, float] = {}

    @contextmanager
    def expect(self, event_id: str) -> Iterator[Waiting]:
        """Look out for the event that `event_id` causes.

        Raises: TooManyWaiting if the ledger is behind with too many requests.
        """
        self._sweep()
        if self.undecided >= self._undecided_max:
            metrics.admission_refusals.inc()
            raise TooManyWaiting
        waiting = self._by_cause[event_id] = Waiting()
        published = True
        try:
            yield waiting
        except BrokerUnavailable:
            published = False
            raise
        finally:
            del self._by_cause[event_id]
            if published and not waiting.decided:
                self._given_up[event_id] = self._clock()

    @property
    def undecided(self) -> int:
        """Count the requests that the ledger has not decided."""
        return len(self._by_cause) + len(self._given_up)

    def see(self, record: ConsumerRecord) -> None:
        """Hand a record to whoever waits for it; only such a record is decoded."""
        for name, value in record.headers:
            if name == "causation_id":
                cause = value.decode(errors="replace")
                self._given_up.pop(cause, None)
                waiting = self._by_cause.get(cause)
                if waiting is not None:
                    self._decode(record, waiting)
                return

    def _sweep(self) -> None:
        too_old = self._clock() - UNDECIDED_SECONDS_MAX
        while self._given_up:
            event_id, given_up_at = next(iter(self._given_up.items()))
            if given_up_at > too_old:
                return
            del self._given_up[event_id]

    def _decode(self, record: ConsumerRecord, waiting: Waiting) -> None:
        try:
            waiting.decide(decode(record.key, record.value, record.headers))
        except ContractError as error:
            # The call answers that it is undecided; the projections stop at such a record.
            log.error(  # noqa: TRY400  a trace would add nothing to the reason
                "decision_unreadable", reason=error.reason, offset=record.offset
            )


class KafkaDecisions:
    """The tail of `ledger.events`; comes back by itself after any error."""

    def __init__(self, settings: Settings) -> None:
        self._servers = settings.kafka_bootstrap_servers
        topic = settings.namespace + LEDGER_EVENTS.name
        self._partitions = [TopicPartition(topic, n) for n in range(settings.partition_count)]
        asked = settings.namespace + REQUESTS.name
        self._requests = [TopicPartition(asked, n) for n in range(settings.partition_count)]
        self._room = WaitingRoom(settings.undecided_requests_max)
        metrics.undecided_requests.set_function(lambda: self._room.undecided)
        self._ends: dict[int, int] = {}
        self._log_ends: LogEnds | None = None
        self._caught_up = False
        self._tailing: asyncio.Task[NoReturn] | None = None
        self.expect = self._room.expect

    @property
    def caught_up(self) -> bool:
        """Whether it has read to the end of the ledger's log within the last seconds."""
        return self._caught_up

    def ledger_end(self, partition: int) -> int:
        """Give the offset after the last ledger event seen; 0 before the first."""
        return self._ends.get(partition, 0)

    async def requests_end(self, partition: int) -> int:
        """Ask the broker for the end of a partition of `requests` as of now.

        Raises: BrokerUnavailable within 1 s.
        """
        if self._log_ends is None:
            raise BrokerUnavailable("not connected to the broker")
        asked = self._requests[partition]
        return (await self._log_ends.of([asked]))[asked]

    async def start(self) -> None:
        """Begin to read, in the background."""
        self._tailing = asyncio.create_task(keep_running("decisions", self._tail))

    async def close(self) -> None:
        """Stop reading."""
        if self._tailing is not None:
            self._tailing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tailing

    async def _tail(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers.split(","),
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="latest",
            retry_backoff_ms=50,
            request_timeout_ms=5000,
        )
        log_ends = LogEnds(self._servers)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await consumer.start()
                await self._take_position(consumer)
            await log_ends.open([*self._requests, *self._partitions])
            self._log_ends = log_ends
            log.info("decisions_connected")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(consumer))
                tasks.create_task(self._watch(consumer, log_ends))
        finally:
            self._log_ends = None
            self._caught_up = False
            await log_ends.close()
            with contextlib.suppress(KafkaError, OSError):
                async with asyncio.timeout(START_SECONDS_MAX):
                    await consumer.stop()

    async def _take_position(self, consumer: AIOKafkaConsumer) -> None:
        """Read from the end; from where it stopped for the sake of what is undecided."""
        consumer.assign(self._partitions)
        await consumer.seek_to_end(*self._partitions)
        for tp in self._partitions:
            if tp.partition in self._ends and self._room.undecided:
                consumer.seek(tp, self._ends[tp.partition])
            # Learnt now, so that nothing written from here on is missed.
            await consumer.position(tp)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            for tp, records in batches.items():
                for record in records:
                    self._room.see(record)
                self._ends[tp.partition] = records[-1].offset + 1

    def _note(self, *, caught_up: bool) -> None:
        if caught_up != self._caught_up:
            log.info("decisions_caught_up" if caught_up else "decisions_behind")
        self._caught_up = caught_up

    async def _watch(self, consumer: AIOKafkaConsumer, log_ends: LogEnds) -> None:
        """Compare what was read with the log's end as it was one look before.

        Raises: BrokerUnavailable after 10 s without an answer.
        """
        ends_before: dict[TopicPartition, int] = {}
        answered_at = monotonic_seconds()
        while True:
            try:
                ends = await log_ends.of(self._partitions)
                answered_at = monotonic_seconds()
                positions = {tp: await consumer.position(tp) for tp in self._partitions}
                self._note(caught_up=all(positions[tp] >= end for tp, end in ends_before.items()))
                ends_before = ends
            except BrokerUnavailable:
                self._note(caught_up=False)
                if monotonic_seconds() - answered_at > LOST_SECONDS_MAX:
                    raise
            await asyncio.sleep(CHECK_SECONDS)
