"""One seed's world: broker, workers, provider, clients and oracle, put together."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, NoReturn, cast

from domain.generation_state import Limits
from processors.generation import GenerationProgram
from processors.job_calls import Outside
from processors.job_runner import JobRunner
from processors.ledger import LedgerProgram
from runtime.clock import Clock
from runtime.event_log.access import LogAccess
from runtime.event_log.program import Program
from runtime.objects import MediaStore
from runtime.settings import Settings
from schemas.codec import Record, decode, encode
from schemas.envelope import Envelope
from schemas.requests import GenerationRequested
from tests.simulation.books import JobBook
from tests.simulation.broker import Broker, Entry
from tests.simulation.clients import TOPIC, Clients
from tests.simulation.kafka_clients import MemoryConsumer, MemoryProducer
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle
from tests.simulation.plan import Plan
from tests.simulation.provider import SimulatedProvider, SimulatedStore
from tests.simulation.virtual_loop import Process, VirtualLoop
from tests.simulation.workers import Group, Worker

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# With the repeats of some, 200 jobs are asked for.
ORDERS = 176
SETTINGS = {n: Settings(partition_count=n) for n in (1, 2, 3)}
LIMITS = Limits()


class _Objects:
    """Passes states on as they are; they are immutable."""

    def knows(self, key: str) -> bool:
        return bool(key)

    def encode(self, state: object) -> Any:
        return state

    def decode(self, key: str, value: Any) -> object:
        del key
        return value


OBJECTS = _Objects()
NEVER_PUT_AWAY = 1_000_000


class ObjectLedger(LedgerProgram):
    codec = OBJECTS  # type: ignore[assignment]
    used_states_max = NEVER_PUT_AWAY


class ObjectGeneration(GenerationProgram):
    codec = OBJECTS  # type: ignore[assignment]
    used_states_max = NEVER_PUT_AWAY


def _as_object(envelope: Envelope) -> Record:
    return Record(envelope.event.account_id.encode(), envelope, ())  # type: ignore[arg-type]


def _from_object(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
) -> Envelope:
    del key, headers
    return value  # type: ignore[return-value]


def _never(reason: str) -> NoReturn:
    raise AssertionError(reason)


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, orders: int = ORDERS) -> None:
        self.seed = seed
        self.orders = orders
        self.plan = plan = Plan.of(seed)
        # What the loop lacks nobody asks of it.
        self.loop = VirtualLoop(self._random("order"), Process("world"))  # type: ignore[abstract]
        self.leapt = timedelta(0)
        self._clock_at: tuple[float, datetime] = (-1.0, START)
        self.oracle = Oracle(self.clock, self.loop.stop)
        network = Network(self.loop, self._random("network"), plan.latency_seconds)
        self.broker = Broker(network, self._committed, self._aborted)
        self.aborted: list[Envelope] = []
        self.prompts: dict[str, str] = {}
        self.settings = SETTINGS[plan.partition_count]
        outer = Network(self.loop, self._random("outside"), 0.3)
        self.store = SimulatedStore()
        self.provider = SimulatedProvider(
            outer, self._random("provider"), self.oracle, plan.provider_faults
        )
        self.clients = Clients(
            self.loop,
            self.broker,
            self._random("clients"),
            self.clock,
            partition_count=plan.partition_count,
            as_bytes=plan.as_bytes,
        )
        self.faults = self._random("faults")
        self.groups = [self._group(self._ledger), self._group(self._generation)]

    def _random(self, what: str) -> Random:
        return Random(f"{what} {self.seed}")

    def clock(self) -> datetime:
        """Give the true time of day."""
        now = self.loop.now
        if self._clock_at[0] != now:
            self._clock_at = (now, START + timedelta(seconds=now) + self.leapt)
        return self._clock_at[1]

    def _skewed_clock(self, worker: Worker | None) -> Clock:
        if worker is None or not self.plan.skewed:
            return self.clock
        skew = timedelta(milliseconds=self.faults.randint(-2000, 2000))
        return lambda: self.clock() + skew

    # The system.

    def _group(self, program_of: Callable[[Worker | None], Program]) -> Group:
        as_bytes = self.plan.as_bytes
        access = LogAccess(
            producer=partial(MemoryProducer, self.broker),
            consumer=partial(MemoryConsumer, self.broker),
            encode=encode if as_bytes else _as_object,
            decode=decode if as_bytes else _from_object,
        )
        return Group(
            self.loop,
            self.broker,
            self._random(program_of.__name__),
            program_of=program_of,
            settings=self.settings,
            access=access,
            redelivery=self.plan.redelivery,
        )

    def _ledger(self, worker: Worker | None) -> Program:
        program = LedgerProgram if self.plan.as_bytes else ObjectLedger
        return program(self.settings, self._skewed_clock(worker))

    def _generation(self, worker: Worker | None) -> Program:
        provider = self.provider
        opened = Outside.open(
            {provider.name: provider},
            cast("MediaStore", self.store),  # its files are the simulated provider's matter
            self.settings,
        )
        clock = self._skewed_clock(worker)
        outside = replace(opened, clock=clock, fetch_video=provider.fetch_video)
        program = GenerationProgram if self.plan.as_bytes else ObjectGeneration
        die = worker.die if worker is not None else _never
        return program(LIMITS, lambda lane: JobRunner(lane, outside, LIMITS, die))

    # The log, as the oracle sees it.

    def _committed(self, topic: str, number: int, offset: int, entry: Entry) -> None:
        if topic.endswith(".dead-letter"):
            self.oracle.wrong("T2", f"{topic}[{number}]@{offset}: nothing unreadable was sent")
            return
        envelope = self.envelope(entry)
        if topic == TOPIC:
            event, job = envelope.event, None
            if isinstance(event, GenerationRequested):
                self.prompts[event.job_id] = event.private.prompt
                job = JobBook(
                    event.account_id,
                    event.settings.duration_seconds,
                    event.idempotency_key,
                    event.body_sha256,
                )
            self.oracle.requested(envelope, job)
        else:
            self.oracle.committed(f"{topic}[{number}]@{offset}", envelope)

    def _aborted(self, topic: str, number: int, offset: int, entry: Entry) -> None:
        del number, offset
        # What a lane writes only to abort it is empty.
        if entry[1] and not topic.endswith(".dead-letter"):
            self.aborted.append(self.envelope(entry))

    def envelope(self, entry: Entry) -> Envelope:
        """Give the event of a record, in either form."""
        key, value, headers, _ = entry
        return decode(key, value, headers) if self.plan.as_bytes else value
