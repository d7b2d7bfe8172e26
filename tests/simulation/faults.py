"""The faults of one seed: which worker is killed, frozen or cut off, and when."""

from random import Random

from tests.simulation.plan import Plan
from tests.simulation.virtual_loop import RUNNING, Handle, VirtualLoop
from tests.simulation.workers import Group, Worker

# How many callbacks a job of a calm seed takes: crashes fall evenly on the first part of them.
STEPS_PER_ORDER = 30


class Faults:
    """Plans and does what a seed has in store for the workers.

    A crash is planned by the count of callbacks, so that each await is as likely as any other to
    be the last; everything else by time.
    """

    def __init__(self, loop: VirtualLoop, random: Random, groups: list[Group], plan: Plan) -> None:
        self._loop = loop
        self._random = random
        self._groups = groups
        self._plan = plan
        self._crashes: list[int] = []

    def begin(self, orders: int) -> None:
        """Plan all of them."""
        random, plan = self._random, self._plan
        steps = orders * STEPS_PER_ORDER
        self._crashes = sorted(random.randint(20, steps) for _ in range(plan.crashes))
        self._loop.on_fault = self._crash
        self._next_crash()
        seconds = plan.posting_seconds + 30
        for count, fault in (
            (plan.freezes, self._freeze),
            (plan.cuts, self._cut_off),
            (plan.rebalances, self._rebalance),
            (plan.retirements, self._retire),
        ):
            for _ in range(count):
                self._loop.world_at(2 + random.random() * seconds, fault)

    def _next_crash(self) -> None:
        self._loop.fault_at_step = self._crashes.pop(0) if self._crashes else -1

    def _crash(self, handle: Handle) -> None:
        """Kill the worker whose turn it is, or any."""
        self._next_crash()
        workers = {id(w.process): w for group in self._groups for w in group.members}
        victim = workers.get(id(handle.owner)) or self._any()
        if victim is not None:
            victim.process.kill("killed")

    def _any(self) -> Worker | None:
        running = [
            worker
            for group in self._groups
            for worker in group.members
            if worker.process.state == RUNNING
        ]
        return self._random.choice(running) if running else None

    def _freeze(self) -> None:
        worker = self._any()
        if worker is not None:
            self._group_of(worker).freeze(worker, 1 + self._random.random() * 60)

    def _cut_off(self) -> None:
        worker = self._any()
        if worker is not None:
            self._group_of(worker).cut_off(worker, self._random.random() * 60)

    def _rebalance(self) -> None:
        self._random.choice(self._groups).rebalance()

    def _retire(self) -> None:
        worker = self._any()
        if worker is not None:
            self._group_of(worker).retire(worker)

    def _group_of(self, worker: Worker) -> Group:
        return next(group for group in self._groups if worker in group.members)
