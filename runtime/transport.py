"""Faust's Kafka transport without its ways of losing and doubling records.

What is replaced, and why, finding by finding, stands in decision 0005; every replaced method is
private to faust-streaming 0.15.3, so another version is refused at import.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime.exits import die
from runtime.kafka_answers import expect_answers

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
# 30 s: as long as one request to the broker may take; a flush that takes longer never ends.
FLUSH_TIMEOUT_SECONDS = 30.0
# 100 ms: how long the broker may hold a fetch that finds nothing. A partition whose records still
# waited to be taken is not part of it, and gets more only after it: with Faust's 1,500 ms the last
# batch of a backlog came up to 1.5 s after the others.
FETCH_WAIT_MS = 100

for _package, _pinned in PINNED.items():
    if version(_package) != _pinned:
        raise ImportError(
            f"{_package} {version(_package)} is installed; runtime/transport.py overrides private "
            f"methods of {_pinned}: install the locked versions with `make install`"
        )


class HardenedConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # untyped base
    """Reads committed records only and gets equal partition numbers of all topics."""

    def _create_worker_consumer(self, transport: Any) -> Any:  # noqa: ANN401  Faust's own types
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001  Faust offers no setting
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001  nor for this
        # Range gives partition n of every topic to one member; round robin does not.
        consumer._partition_assignment_strategy = [RangePartitionAssignor]  # noqa: SLF001
        # A worker that comes back by its name is given its partitions at once (KIP-345).
        consumer._group_instance_id = transport.app.instance_id or None  # noqa: SLF001  the same
        expect_answers(consumer._client)  # noqa: SLF001  the same
        return consumer


class HardenedConsumer(driver.Consumer):  # type: ignore[misc]  # untyped base
    """Commits the longest fully acknowledged prefix, and drains before it gives partitions up."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  passed through
        self._delivered: dict[TP, deque[int]] = defaultdict(deque)
        self._last_delivered: dict[TP, int] = {}
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> HardenedConsumerThread:
        return HardenedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> Any:  # noqa: ANN401  Faust's own types
        """Tell each record which one came before it; called once per record, in order."""
        message = super()._to_message(tp, record)
        message.previous_offset = self._previous_offset(tp, record)
        self._last_delivered[tp] = message.offset
        if self.app.topics.acks_enabled_for(message.topic):
            read = self._read_offset[tp]
            if read is None or message.offset >= read:
                self._delivered[tp].append(message.offset)
        return message

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  Faust's signature
        """Give all records of a partition that one fetch brought as one message.

        Shape: `records` of the message are the driver's own, `offset` is that of the last one.
        Faust takes 80 to 100 us for each message (decision 0024); what is not acknowledged through
        Faust needs no message of its own. Topics with acknowledgements are given singly.
        """
        fetched, active_partitions = await self._wait_next_records(timeout)
        generation_id = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        waiting = dict(fetched)
        for tp, records in fetched.items():
            if not self.flow_active or self.app.consumer_generation_id != generation_id:
                self._note_thrown_away(waiting)
                return
            del waiting[tp]
            if tp not in self._buffered_partitions and tp not in (active_partitions or {tp}):
                self._note_thrown_away({tp: records})
                continue
            self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
            if self.app.topics.acks_enabled_for(tp.topic):
                for record in records:
                    yield tp, self._to_message(tp, record)
            elif fresh := self._unread(tp, records):
                yield tp, self._to_batch(tp, fresh)

    def _note_thrown_away(self, fetched: Mapping[TP, Sequence[Any]]) -> None:
        """Have whoever is given the next record see that these are missing, unless they come again.

        The consumer's position is behind them; going back, if it comes, forgets this.
        """
        for tp, records in fetched.items():
            if records:
                self._last_delivered[tp] = records[-1].offset

    def _previous_offset(self, tp: TP, record: Any) -> int:  # noqa: ANN401  Faust's own types
        """Give the offset of the record delivered before, or the one that would be next to it.

        So a record of which nobody knows what came before is taken for one behind a gap.
        """
        first: int = record.offset
        return self._last_delivered.get(tp, first - 1)

    def _unread(self, tp: TP, records: Sequence[Any]) -> Sequence[Any]:
        read = self._read_offset[tp]
        return [record for record in records if read is None or record.offset >= read]

    def _to_batch(self, tp: TP, records: Sequence[Any]) -> Any:  # noqa: ANN401  Faust's own types
        last = records[-1]
        message = super()._to_message(tp, last)
        # The stream must not hold the last record's bytes for those of all.
        message.key = message.value = None
        message.records = records
        message.previous_offset = self._previous_offset(tp, records[0])
        self._last_delivered[tp] = last.offset
        return message

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: gaps between offsets (markers, compaction) hold nothing to acknowledge."""

    def _new_offset(self, tp: TP) -> int | None:
        delivered, acknowledged = self._delivered[tp], self._acked_index[tp]
        last: int | None = None
        while delivered and delivered[0] in acknowledged:
            last = delivered.popleft()
            acknowledged.discard(last)
        if last is None:
            return None
        self._acked[tp] = [offset for offset in self._acked[tp] if offset > last]
        return last + 1

    async def perform_seek(self) -> None:
        """Go back to what is committed, and forget what was delivered since.

        A partition of which nothing is committed goes back to its first record: Faust leaves it
        where it is, beyond the records that it fetched and threw away while it was rebalanced.
        """
        # What is delivered meanwhile stands, so that it is missed if it is fetched before the seek.
        self._last_delivered.clear()
        await super().perform_seek()
        starts = await self.app.start_offsets(self.assignment())
        uncommitted = [tp for tp in self.assignment() - starts.keys() if not self._read_offset[tp]]
        if uncommitted:
            starts = {**starts, **await self.earliest_offsets(*uncommitted)}
        for tp, offset in starts.items():
            await super().seek(tp, offset)
        self._delivered.clear()
        self._acked.clear()
        self._acked_index.clear()
        for tp in self.assignment():
            self._last_delivered.setdefault(tp, (self._read_offset[tp] or 0) - 1)

    async def seek(self, partition: TP, offset: int) -> None:
        """Go to an offset that the caller knows to be right."""
        await super().seek(partition, offset)
        self._last_delivered[partition] = offset - 1

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Drain and commit first, then forget; Faust forgets first."""
        await self._on_partitions_revoked(revoked)
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        for tp in revoked:
            for known in (
                self._gap,
                self._acked,
                self._acked_index,
                self._read_offset,
                self._committed_offset,
                self._delivered,
                self._last_delivered,
            ):
                known.pop(tp, None)


class HardenedProducer(driver.Producer):  # type: ignore[misc]  # untyped base
    """Sends idempotently, and fails a flush when any send before it failed."""

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  passed through
        self._outstanding: set[asyncio.Future[Any]] = set()
        self._send_error: BaseException | None = None
        super().__init__(*args, **options)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def _settled(self, future: "asyncio.Future[Any]") -> None:
        self._outstanding.discard(future)
        if not future.cancelled() and future.exception() is not None:
            self._send_error = future.exception()

    def _track(self, future: "asyncio.Future[Any]") -> None:
        self._outstanding.add(future)
        future.add_done_callback(self._settled)

    def send_soon(self, future: Any) -> None:  # noqa: ANN401  Faust's own types
        """Queue a send and remember it until it is acknowledged."""
        self._track(future)
        super().send_soon(future)

    async def send(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401  passed through
        """Send and remember the send until it is acknowledged."""
        future = await super().send(*args, **options)
        self._track(future)
        return future

    async def flush(self) -> None:
        """Wait for every outstanding send.

        Raises: ProducerSendError if one failed, so that no offset is committed past it.
        """
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_SECONDS):
                if self._outstanding:
                    await asyncio.wait(set(self._outstanding))
                await super().flush()
        except TimeoutError:
            die(f"{len(self._outstanding)} sends were not acknowledged in time")
        if self._send_error is not None:
            raise ProducerSendError(repr(self._send_error))


class HardenedTransport(driver.Transport):  # type: ignore[misc]  # untyped base
    """What every Faust app of ours is given instead of the stock transport."""

    Consumer = HardenedConsumer
    Producer = HardenedProducer
