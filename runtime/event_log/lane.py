"""The lane: the only writer of one partition number of a processor's topics.

Each batch of inputs becomes one transaction of events, changed states and input positions; memory
changes, and answers go out, only after its commit. Source: decisions 0003 and 0031.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping

import msgspec
from aiokafka import TopicPartition

from runtime import metrics
from runtime.clock import monotonic_seconds
from runtime.event_log.access import KAFKA, LogAccess
from runtime.event_log.decider import Batch, Command, Decider
from runtime.event_log.fenced_producer import FencedProducer, OutgoingRecord
from runtime.event_log.left_open import take_back_open
from runtime.event_log.program import InputRecord, LaneClosedError, LaneCompanion, Program
from runtime.event_log.readable_end import ReadableEnd
from runtime.event_log.state_reader import (
    POSITIONS_KEY,
    check_positions,
    encode_positions,
    input_bounds,
    log_reader,
    read_states,
)
from runtime.event_log.states import States
from runtime.exits import Die
from runtime.logs import logger
from runtime.settings import Settings

log = logger(__name__)
# 500: beyond this a transaction grows longer without growing cheaper per record.
BATCH_INPUTS_MAX = 500
# Two full batches may wait; beyond that the agent waits, and the broker holds the rest.
QUEUE_INPUTS_MAX = 1000
# 1 s: the group's offsets, and positions over inputs that led to nothing, are this late at most.
IDLE_COMMIT_SECONDS = 1.0


class Lane:
    """One partition number of one processor, in this worker."""

    def __init__(
        self,
        program: Program,
        partition: int,
        settings: Settings,
        die: Die,
        access: LogAccess = KAFKA,
    ) -> None:
        self.partition = partition
        self.states = States()
        self._program = program
        self._settings = settings
        self._die = die
        self._access = access
        namespace = settings.namespace
        self._group_id = f"{namespace}{program.name}"
        self._output = namespace + program.output.name
        self._state_topic = namespace + program.state.name
        self._inputs = {namespace + topic.name: topic for topic in program.inputs}
        self._decider = Decider(program, partition, settings, die, access)
        self._producer = FencedProducer(
            settings.kafka_bootstrap_servers,
            f"{self._group_id}-{partition}",
            partition,
            die,
            access.producer,
        )
        self._readable = ReadableEnd(
            settings.kafka_bootstrap_servers, self._output, partition, die, access.consumer
        )
        self._output_end = 0
        self._queue: asyncio.Queue[InputRecord | Command] = asyncio.Queue(QUEUE_INPUTS_MAX)
        self._positions: dict[str, int] = {}
        self._last_put: dict[str, int] = {}
        self._uncommitted_positions = False
        self._offsets_at = float("-inf")
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._companion: LaneCompanion = program.companion(self)

    async def open(self) -> None:
        """Become the only writer, remember what was committed, and begin to decide.

        Raises: StateError, TimeoutError or KafkaError: the worker must not go on.
        """
        started = monotonic_seconds()
        # 1. Fence every earlier owner and settle its open transaction.
        await self._producer.open()
        # 2. Only then read what was really committed, to the end.
        await self._remember()
        self._last_put = {topic: self._positions.get(topic, 0) - 1 for topic in self._inputs}
        # 3. Decide, batch by batch.
        self._task = asyncio.create_task(self._run(), name=f"{self._group_id}-{self.partition}")
        self._companion.opened()
        seconds = monotonic_seconds() - started
        metrics.lane_open_seconds.labels(self._program.name).observe(seconds)
        log.info(
            "lane_opened",
            processor=self._program.name,
            partition=self.partition,
            states=len(self.states),
            positions=self._positions,
            seconds=round(seconds, 3),
        )

    async def _remember(self) -> None:
        servers, consumer_of = self._settings.kafka_bootstrap_servers, self._access.consumer
        state = TopicPartition(self._state_topic, self.partition)
        output = TopicPartition(self._output, self.partition)
        async with log_reader(servers, "read_committed", consumer_of) as committed:
            async with log_reader(servers, "read_uncommitted", consumer_of) as written:
                await take_back_open((state, output), committed, written, self._abort)
            bounds = await input_bounds(committed, self._inputs, self.partition)
            states, self._positions = await read_states(committed, state, self._program.codec)
        check_positions(bounds, self._positions)
        self.states = States(
            states, self._decoded, self._program.codec.encode, self._program.used_states_max
        )

    async def _abort(self) -> None:
        letters = {self._settings.namespace + t.dead_letter for t in self._program.inputs}
        await self._producer.abort([self._state_topic, self._output, *sorted(letters)])

    def position(self, topic: str) -> int:
        """Give the offset before which all of an input topic is decided and committed."""
        return self._positions.get(topic, 0)

    async def put(self, record: InputRecord) -> None:
        """Take one record; waits while the lane is behind, drops it once the lane is closed."""
        last = self._last_put[record.topic]
        if record.previous_offset > last:
            self._die(
                f"{record.topic}[{self.partition}]: records {last + 1} to "
                f"{record.previous_offset} never reached the lane"
            )
        if record.offset <= last:
            metrics.lane_inputs_skipped.labels(self._program.name).inc()
            return
        self._last_put[record.topic] = record.offset
        if not self._closed:
            await self._queue.put(record)

    async def decide(self, command: object) -> None:
        """Have a command decided; return once it is committed.

        Raises: LaneClosedError if the lane closed before.
        """
        if self._closed:
            raise LaneClosedError
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put(Command(command, committed))
        await committed

    async def readable(self) -> None:
        """Return once others can read every event that is committed now."""
        await self._readable.passes(self._output_end)

    async def close(self) -> None:
        """Bring the transaction in hand to its end, drop the rest, and let go.

        Guarantee: whatever was not committed will be delivered to the next owner.
        """
        await self._companion.close()
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        while not self._queue.empty():
            waiting = self._queue.get_nowait()
            if isinstance(waiting, Command) and not waiting.committed.done():
                waiting.committed.set_exception(LaneClosedError())
        await self._producer.close()
        await self._readable.close()
        log.info("lane_closed", processor=self._program.name, partition=self.partition)

    def _decoded(self, key: str, value: bytes) -> object:
        try:
            return self._program.codec.decode(key, value)
        except (ValueError, msgspec.DecodeError) as error:
            # Whoever asks could only go on without it, as if it had never been.
            self._die(f"{self._state_topic}[{self.partition}]: cannot read {key}: {error!r}")

    async def _run(self) -> None:
        while not self._closed:
            batch = self._decider.decide(await self._collect(), self.states)
            # A cancelled wait must not tear a transaction apart: close() waits for its end.
            await _uninterrupted(self._commit(batch))

    async def _collect(self) -> list[InputRecord | Command]:
        """Give whatever has arrived: one input when idle, up to 500 when behind."""
        timeout = IDLE_COMMIT_SECONDS if self._uncommitted_positions else None
        try:
            async with asyncio.timeout(timeout):
                inputs = [await self._queue.get()]
        except TimeoutError:
            return []
        while len(inputs) < BATCH_INPUTS_MAX and not self._queue.empty():
            inputs.append(self._queue.get_nowait())
        return inputs

    async def _commit(self, batch: Batch) -> None:
        positions = {**self._positions, **batch.positions}
        idle = not batch.writes and not batch.positions
        if batch.writes or (idle and self._uncommitted_positions):
            started = monotonic_seconds()
            offsets = positions if self._offsets_due(started, idle=idle) else {}
            ends = await self._producer.write(
                self._outgoing(batch, positions), self._group_id, offsets
            )
            self._output_end = ends.get(self._output, self._output_end)
            metrics.lane_commit_seconds.labels(self._program.name).observe(
                monotonic_seconds() - started
            )
            metrics.lane_transactions.labels(self._program.name, str(self.partition)).inc()
            written = Counter(envelope.event_type for envelope in batch.envelopes)
            for event_type, count in written.items():
                metrics.lane_events.labels(self._program.name, event_type).inc(count)
        elif batch.positions:
            # Inputs that led to nothing lead to nothing again: their positions may wait.
            self._uncommitted_positions = True
        self._positions = positions
        batch.overlay.commit()
        for answer in batch.answers:
            if not answer.done():
                answer.set_result(None)
        if batch.overlay.changed:
            self._companion.committed(batch.overlay.changed, batch.envelopes)

    def _offsets_due(self, now: float, *, idle: bool) -> bool:
        """Say if the group's offsets are due, once a second: a new owner goes by the positions."""
        self._uncommitted_positions = not idle and now - self._offsets_at < IDLE_COMMIT_SECONDS
        if not self._uncommitted_positions:
            self._offsets_at = now
        return not self._uncommitted_positions

    def _outgoing(self, batch: Batch, positions: Mapping[str, int]) -> list[OutgoingRecord]:
        codec = self._program.codec
        states = [
            OutgoingRecord(
                self._state_topic,
                key.encode(),
                None if state is None else codec.encode(state),
            )
            for key, state in batch.overlay.changed.items()
        ]
        read_to = OutgoingRecord(
            self._state_topic, POSITIONS_KEY.encode(), encode_positions(positions)
        )
        return [*batch.records, *states, read_to]


async def _uninterrupted(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end even if the caller is cancelled meanwhile, then obey."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
