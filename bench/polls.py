"""P11: polls for each finished job, against polling at one interval that notices an end as soon.

On virtual time: jobs take what chance says, and the generation worker's own plan says when to ask
(providers.protocol.PollPlan), as in a worker that has followed jobs for a while. The other side's
interval is set, round by round, so that its median delay is ours.
"""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from bench.figures import Bar, Figure, Side
from bench.rounds import interleave
from bench.stage import Plan, Stage
from domain.durations import Durations
from providers.capabilities import CAPABILITIES
from providers.protocol import PollPlan

JOBS_FULL = 5_000
JOBS_LEAST = 500
# The jobs of a worker's first minutes, which are polled at the usual pace, are not counted.
JOBS_BEFORE = 100
USUAL_SECONDS = 60.0
# Two thirds of the jobs take within a fifth of the usual duration.
SPREAD = 0.2
OTHER_SPREADS = (0.1, 0.3, 0.4)
NO_DURABILITY = "none: when to ask is derived again after a restart"
SUBMITTED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LEAST_GAP_SECONDS = min(record.poll_gap_seconds_min for record in CAPABILITIES.values())


@dataclass(frozen=True, slots=True)
class Followed:
    """How jobs were followed: polls of each, and seconds from its end to the poll that saw it."""

    polls: Sequence[int]
    delays_seconds: Sequence[float]

    @property
    def polls_mean(self) -> float:
        return statistics.mean(self.polls)

    @property
    def delay_median(self) -> float:
        return statistics.median(self.delays_seconds)


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure P11."""
    del stage
    amount = plan.amount(JOBS_FULL, JOBS_LEAST)
    figure = Figure(
        id="P11",
        title=f"polls for each of {amount:,} jobs of {USUAL_SECONDS:g} s or so",
        unit="polls/job",
        ours=Side("when an end is likely", NO_DURABILITY),
        against=Side("at one interval, with the same median delay", NO_DURABILITY),
        bar=Bar(at_most=0.3),
    )
    seeds = count(1)
    last: list[Followed] = []

    async def ours() -> float:
        last[:] = [follow_by_plan(jobs_of(next(seeds), amount, SPREAD))]
        figure.faults += faults_of(last[0], amount)
        return last[0].polls_mean

    async def fixed() -> float:
        interval = 2 * last[0].delay_median
        followed = follow_every(interval, jobs_of(next(seeds), amount, SPREAD))
        figure.faults += faults_of(followed, amount)
        return followed.polls_mean

    await interleave({"ours": (figure.ours, ours), "fixed": (figure.against, fixed)}, plan.pairs)
    figure.notes.append(
        f"spread {SPREAD:g}: ours noticed an end after {last[0].delay_median:.2f} s"
    )
    for spread in OTHER_SPREADS:
        followed = follow_by_plan(jobs_of(next(seeds), amount, spread))
        every = follow_every(2 * followed.delay_median, jobs_of(next(seeds), amount, spread))
        polls, delay = followed.polls_mean, followed.delay_median
        ratio = polls / every.polls_mean
        figure.notes.append(
            f"spread {spread:g}: {polls:.1f} polls, {delay:.2f} s, ratio {ratio:.2f}"
        )
    return [figure]


def jobs_of(seed: int, amount: int, spread: float) -> list[float]:
    """Draw how long each job takes."""
    chance = random.Random(seed)
    wanted = amount + JOBS_BEFORE
    return [chance.lognormvariate(math.log(USUAL_SECONDS), spread) for _ in range(wanted)]


def follow_by_plan(jobs: Sequence[float]) -> Followed:
    """Follow jobs one after the other as a worker does, at its fastest pace."""
    durations = Durations()
    plan = PollPlan(LEAST_GAP_SECONDS, 3 * LEAST_GAP_SECONDS, durations)
    polls, delays = [], []
    for took in jobs:
        asked, age = 1, 0.0
        while age < took:
            now = SUBMITTED_AT + timedelta(seconds=age)
            age += plan.next_poll_in_seconds(SUBMITTED_AT, now)
            asked += 1
        durations.note(age)
        polls.append(asked)
        delays.append(age - took)
    return Followed(polls[JOBS_BEFORE:], delays[JOBS_BEFORE:])


def follow_every(interval_seconds: float, jobs: Sequence[float]) -> Followed:
    """Follow jobs at one interval."""
    counted = jobs[JOBS_BEFORE:]
    gaps = [math.ceil(took / interval_seconds) for took in counted]
    delays = [n * interval_seconds - took for n, took in zip(gaps, counted, strict=True)]
    return Followed([1 + n for n in gaps], delays)


def faults_of(followed: Followed, amount: int) -> list[str]:
    """Say whether an end was missed or seen before it came."""
    wrong = []
    if len(followed.polls) != amount:
        wrong.append(f"{len(followed.polls)} of {amount} jobs were seen to end")
    if min(followed.delays_seconds) < 0:
        wrong.append("a job was seen to end before it did")
    return wrong
