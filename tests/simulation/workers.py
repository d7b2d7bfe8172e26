"""Workers of one processor and the group that shares its partitions out among them."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import NoReturn

from runtime.event_log.access import LogAccess
from runtime.event_log.lanes import Lanes
from runtime.event_log.program import InputRecord, Program
from runtime.settings import Settings
from tests.simulation.broker import Broker
from tests.simulation.virtual_loop import DEAD, FROZEN, RUNNING, DiedError, Process, VirtualLoop

# How many records one fetch brings; drawn per worker.
FETCHES = (1, 7, 100, 500)
# A group hears nothing of a member for so long before it gives its partitions away.
SESSION_SECONDS = 10.0
# How far a reader goes back in the midst of its work.
REWOUND_RECORDS_MAX = 30
REVOKE_SECONDS_MAX = 8.0


class Worker:
    """One process of a processor: the real lanes, fed as its Faust agents would."""

    def __init__(self, group: "Group", name: str, random: Random) -> None:
        self.process = Process(name, on_death=self._died)
        self.told: list[int] = []
        self.done: list[int] | None = None
        self.leaving = False
        self._group = group
        self._random = random
        self._loop = group.loop
        self._fetch_max = random.choice(FETCHES)
        self._feeders: list[asyncio.Task[None]] = []
        self._wake: asyncio.Future[None] | None = None
        before, self._loop.owner = self._loop.owner, self.process
        self.lanes = Lanes(group.program_of(self), group.settings, self.die, group.access)
        self._loop.owner = before
        self._loop.start(self.process, self._serve())

    def die(self, reason: str) -> NoReturn:
        """End this process, as `os._exit` does."""
        self.process.kill(reason)
        raise DiedError(reason)

    def _died(self, reason: str) -> None:
        self._group.lost(self, reason)

    def tell(self, partitions: list[int]) -> None:
        """Give it other partitions; it learns of it now, or when it runs again."""
        self.told = partitions
        if self._wake is not None:
            self._loop.resolve(self.process, self._wake, None)

    async def _serve(self) -> None:
        topics = [topic.name for topic in self._group.program.inputs]
        while True:
            while self.done is self.told:
                self._wake = self._loop.create_future()
                await self._wake
            told = self.told
            for feeder in self._feeders:
                feeder.cancel()
            try:
                if told:
                    await self.lanes.assigned([(t, n) for t in topics for n in told])
                else:
                    await self.lanes.revoked()
            except Exception as error:  # noqa: BLE001  whatever it is: Faust crashes its worker
                self.die(f"the assignment {told} failed: {error!r}")
            self._feeders = [
                self._loop.create_task(self._feed(topic, number))
                for topic in topics
                for number in told
            ]
            self.done = told

    async def _feed(self, topic: str, number: int) -> None:
        """Read a topic on from the group's offset; now and then, read a part of it again."""
        broker, put, draw = self._group.broker, self.lanes.put, self._random.random
        partition = broker.partition(topic, number)
        position = broker.group_offsets.get((self._group.program.name, topic, number), 0)
        if draw() < self._group.redelivery:
            position = int(position * draw())
        previous = position - 1
        while True:
            end = partition.stable_end
            if position >= end:
                await broker.changed(partition)
                continue
            after = min(end, position + self._fetch_max)
            for offset, (key, value, headers, _) in partition.read(position, after):
                await put(number, InputRecord(topic, offset, previous, key, value, headers or ()))
                previous = offset
            position = after
            if draw() < self._group.redelivery / 50:
                position -= int(min(position, REWOUND_RECORDS_MAX) * draw())
                # Between the last record and here there may be markers alone.
                previous = min(previous, position - 1)


class Group:
    """The workers of one processor, and who has which partitions.

    `redelivery`: how often a reader begins earlier than it has to.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        random: Random,
        *,
        program_of: Callable[[Worker | None], Program],
        settings: Settings,
        access: LogAccess,
        redelivery: float,
    ) -> None:
        self.loop = loop
        self.broker = broker
        self.program_of = program_of
        self.program = program_of(None)
        self.settings = settings
        self.access = access
        self.redelivery = redelivery
        self.members: list[Worker] = []
        self.deaths: list[str] = []
        self.over = False
        self._random = random
        self._generation = 0
        self._started = 0

    def start(self) -> Worker:
        """Start one more worker, which joins the group."""
        self._started += 1
        worker = Worker(self, f"{self.program.name}-{self._started}", self._random)
        self.members.append(worker)
        self.rebalance()
        return worker

    def lost(self, worker: Worker, reason: str) -> None:
        """A worker is gone: its partitions move on later, and its supervisor starts another."""
        if self.over:
            return
        self.deaths.append(f"{self.loop.now:.3f} {worker.process.name}: {reason}")
        draw = self._random.random
        self.broker.expire_all()
        self.loop.world_at(self.loop.now + draw() * SESSION_SECONDS, self.expel, worker)
        if not worker.leaving:
            self.loop.world_at(self.loop.now + 0.5 + draw() * 12, self.start)

    def expel(self, worker: Worker) -> None:
        """Take a member's partitions away without its knowing."""
        if worker in self.members:
            self.members.remove(worker)
            self.rebalance()

    def rejoin(self, worker: Worker) -> None:
        """A member that was taken for dead learns it, gives up what it had, and joins again."""
        if worker.process.state == RUNNING and worker not in self.members:
            worker.tell([])
            self.members.append(worker)
            self.rebalance()

    def freeze(self, worker: Worker, seconds: float) -> None:
        """Stop a worker for a while; beyond the session's time the others take over."""
        if worker.process.state != RUNNING:
            return
        worker.process.state = FROZEN
        self.broker.expire_all()
        now = self.loop.now
        if seconds > SESSION_SECONDS:
            self.loop.world_at(now + SESSION_SECONDS, self.expel, worker)
        self.loop.world_at(now + seconds, self.loop.thaw, worker.process)
        self.loop.world_at(now + seconds + self._random.random() * 3, self.rejoin, worker)

    def cut_off(self, worker: Worker, seconds: float) -> None:
        """Let the coordinator lose sight of a worker that goes on working."""
        self.expel(worker)
        self.loop.world_at(self.loop.now + seconds, self.rejoin, worker)

    def retire(self, worker: Worker) -> None:
        """Stop a worker in order, as a deployment does; another comes in its place."""
        worker.leaving = True
        worker.tell([])
        self.expel(worker)

        def gone() -> None:
            if worker.done == [] or worker.process.state == DEAD:
                worker.process.kill("retired")
            else:
                self.loop.world_at(self.loop.now + 1, gone)

        self.loop.world_at(self.loop.now + 1, gone)
        self.loop.world_at(self.loop.now + 1 + self._random.random() * 10, self.start)

    def rebalance(self) -> None:
        """Share the partitions out anew; in order, or each member when it hears of it."""
        self._generation += 1
        generation, members = self._generation, list(self.members)
        if not members:
            return
        ordered = self._random.random() < 0.5
        if ordered:
            for member in members:
                member.tell([])
        self._assign(generation, members, self.loop.now + REVOKE_SECONDS_MAX if ordered else 0.0)

    def _assign(self, generation: int, members: list[Worker], until: float) -> None:
        """Wait until all members have let go, or too long; then give each its share."""
        if generation != self._generation:
            return
        if self.loop.now < until and any(m.done != [] for m in members):
            self.loop.world_at(self.loop.now + 0.1, self._assign, generation, members, until)
            return
        first = int(self._random.random() * len(members))
        shares: list[list[int]] = [[] for _ in members]
        for number in range(self.settings.partition_count):
            shares[(first + number) % len(members)].append(number)
        for member, share in zip(members, shares, strict=True):
            member.tell(share)
