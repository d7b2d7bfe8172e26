"""Runs one seed to its end and says what came of it."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.simulation.ending import check_end
from tests.simulation.faults import Faults
from tests.simulation.log_audit import audit
from tests.simulation.plan import Plan
from tests.simulation.surroundings import simulated_surroundings
from tests.simulation.virtual_loop import LivelockError
from tests.simulation.world import ORDERS, World

# Ten times what the busiest healthy seed takes.
STEPS_PER_ORDER_MAX = 500
# What is posted last has 15 minutes, its download 10 more, a minute of grace, and a restart.
AFTER_LAST_POST_SECONDS = 28 * 60.0
# How often the world looks whether everything has come to rest, and how long it must have:
# an answer takes 6 s at most, and until then its lane knows less than the log.
LOOK_SECONDS = 7.0
# Two sweeps of the ledger's keys.
AFTER_LEAP_SECONDS = 130.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a seed came to. `trace` is the same for the same seed and the same code, always."""

    seed: int
    violations: list[tuple[str, str]]
    trace: str
    steps: int
    events: int
    reserved: int
    jobs: int
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.violations


def run_seed(seed: int, orders: int = ORDERS) -> Outcome:
    """Run a seed; the same seed and code give the same outcome, to the last event id."""
    as_bytes = Plan.of(seed).as_bytes
    with simulated_surroundings(Random(f"entropy {seed}"), as_bytes=as_bytes):
        return _outcome(seed, orders)


def _outcome(seed: int, orders: int) -> Outcome:
    """Leave nothing of the world behind that is referred to."""
    world = World(seed, orders)
    try:
        return _Run(world).outcome()
    finally:
        world.loop.closed = True
        # The most of it goes at once, and need not be found by the collector.
        for partition in world.broker.partitions.values():
            partition.entries.clear()
            partition.latest.clear()
        world.oracle.jobs.clear()


class _Run:
    def __init__(self, world: World) -> None:
        self._world = world
        self._faults = Faults(world.loop, world.faults, world.groups, world.plan)
        self._give_up_at = 0.0
        self._leap = world.plan.leap_seconds
        self._quiet_since: float | None = None

    def outcome(self) -> Outcome:
        world, loop, oracle = self._world, self._world.loop, self._world.oracle
        self._begin()
        try:
            loop.run(STEPS_PER_ORDER_MAX * world.orders)
        except LivelockError as error:
            oracle.wrong("I19", str(error))
        for group in world.groups:
            group.over = True
        if not oracle.violations:
            check_end(world)
        if not oracle.violations and world.plan.as_bytes:
            audit(world)
        violations = [*oracle.violations, *(("unseen", text) for text in loop.problems)]
        trace = hashlib.blake2b(
            "".join((*oracle.event_ids, str(loop.steps), repr(loop.now))).encode(), digest_size=16
        )
        return Outcome(
            world.seed,
            violations,
            trace.hexdigest(),
            loop.steps,
            len(oracle.event_ids),
            sum(job.price is not None for job in oracle.jobs.values()),
            len(oracle.jobs),
            loop.now,
        )

    def _begin(self) -> None:
        world, plan, loop = self._world, self._world.plan, self._world.loop
        for group, count in zip(world.groups, plan.workers, strict=True):
            for _ in range(count):
                loop.world_at(world.faults.random(), group.start)
        world.clients.begin(world.orders, plan.posting_seconds)
        self._faults.begin(world.orders)
        world.broker.failing = plan.failing
        world.broker.forgetting = plan.forgetting
        # The last repeats and cancellations are sent up to a minute after the last order; a repeat
        # of a refund by hand may come later, and meets no more faults.
        last = plan.posting_seconds + 70
        loop.world_at(last, self._end_faults)
        self._give_up_at = last + AFTER_LAST_POST_SECONDS
        loop.world_at(last + LOOK_SECONDS, self._look)

    def _end_faults(self) -> None:
        world = self._world
        world.broker.failing = 0.0
        world.broker.forgetting = 0.0
        world.loop.fault_at_step = -1
        # A worker that was frozen last runs again 60 s later; restart and take-over add to that.
        world.oracle.quiet_since = world.clock() + timedelta(seconds=120)

    def _look(self) -> None:
        """End the run once nothing is open and nothing has changed since the last look."""
        loop, oracle = self._world.loop, self._world.oracle
        at_rest = oracle.undecided == 0 and oracle.open_jobs == 0
        if at_rest and self._quiet_since is not None:
            if self._leap is None:
                loop.stop()
                return
            self._leap_ahead(self._leap)
            return
        self._quiet_since = loop.now if at_rest else None
        if loop.now > self._give_up_at:
            still = [job_id for job_id, job in oracle.jobs.items() if job.price and not job.closed]
            oracle.wrong(
                "I19",
                f"at {loop.now:.0f} s {oracle.undecided} requests are undecided and jobs are open: "
                f"{[(job_id, oracle.jobs[job_id].phase) for job_id in still[:3]]}",
            )
            return
        loop.world_at(loop.now + LOOK_SECONDS, self._look)

    def _leap_ahead(self, seconds: float) -> None:
        """Let nearly the life of an idempotency key pass, or a little more, and repeat orders."""
        world, loop = self._world, self._world.loop
        self._leap, self._quiet_since = None, None
        world.leapt += timedelta(seconds=seconds)
        world._clock_at = (-1.0, world._clock_at[1])
        self._give_up_at = loop.now + AFTER_LEAP_SECONDS + AFTER_LAST_POST_SECONDS
        world.oracle.quiet_since = None
        loop.world_at(loop.now + AFTER_LEAP_SECONDS, world.clients.repeat, 12)
        loop.world_at(loop.now + AFTER_LEAP_SECONDS + LOOK_SECONDS, self._look)
