"""P13, P14: what is accepted at five times the peak, and what 99 see of one that floods.

What runs is what P3 runs (bench/accept.py). A request counts as accepted if it was answered 202
with the ledger's decision; a refusal must say when to come back. The account that floods soon has
as many jobs as it may have, and is refused from then on; the 99 are others in each round.
"""

import asyncio
import statistics
from collections.abc import Sequence

from bench.accept import (
    ACCEPTED,
    ACCOUNTS_FULL,
    CALM_RATE,
    DECIDED,
    WARM_SECONDS_FULL,
    Accepting,
    accepting,
    faults_of,
    posts_of,
    target_of,
    warm,
)
from bench.figures import Bar, Figure, Side
from bench.http_load import Answers, Load, LoadProcess
from bench.rounds import interleave
from bench.stage import Plan, Stage

KAFKA = "decision on the log, acks=all on one broker"
TIMES_PEAK = 5
STEP_SECONDS_FULL = 5.0
QUIET_ACCOUNTS = 99
QUIET_RATE = 100.0
FLOOD_RATE = 300.0
QUIET_SECONDS_FULL = 10.0
# 1 s: what an account may order at once is over by then; the flood goes on.
FLOODED_BEFORE_SECONDS = 1.0
# 30: more than a round gives an account, beyond what the warm-up has given it.
ROUND_JOBS_MAX = 30
REFUSALS = frozenset({429, 503})


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure each on a running system of its own."""
    with LoadProcess() as sender, LoadProcess() as flooder:
        async with accepting(stage, plan.amount(ACCOUNTS_FULL, QUIET_ACCOUNTS)) as running:
            await warm(running, sender, [target_of(running, sender)], plan)
            goodput = await _goodput(running, sender, plan)
        accounts = 2 * plan.pairs * QUIET_ACCOUNTS + 1
        warmed = round(CALM_RATE * WARM_SECONDS_FULL / accounts)
        async with accepting(stage, accounts, warmed + ROUND_JOBS_MAX) as running:
            await warm(running, sender, [target_of(running, sender)], plan)
            fairness = await _beside_a_flood(running, sender, flooder, plan)
    return [goodput, fairness]


async def _goodput(running: Accepting, sender: LoadProcess, plan: Plan) -> Figure:
    figure = Figure(
        id="P13",
        title=f"accepted at {TIMES_PEAK} times the offered load",
        unit="requests/s",
        ours=Side(f"{TIMES_PEAK} times the peak offered", KAFKA),
        against=Side("peak", KAFKA),
        bar=Bar(at_least=0.9),
    )
    seconds = max(0.5, STEP_SECONDS_FULL * min(1.0, plan.scale))
    target = target_of(running, sender)
    refused_ms: list[float] = []
    peaks: list[float] = []

    async def accepted_at(rate: float) -> float:
        answers = await asyncio.to_thread(sender.send, target.load(rate, seconds))
        target.answers += [body for body in answers.bodies if DECIDED in body]
        refused_ms.extend(_refused_ms(answers))
        figure.faults += _wrong(answers)
        return _accepted(answers) / max(answers.took_seconds, seconds)

    async def peak() -> float:
        rate = await target.highest_rate(seconds / 2, plan.amount(4, 2))
        peaks.append(rate)
        # Beyond the rate that is answered in time more may still be accepted.
        return max([await accepted_at(rate), await accepted_at(1.5 * rate)])

    await interleave(
        {
            "peak": (figure.against, peak),
            "overload": (figure.ours, lambda: accepted_at(TIMES_PEAK * peaks[-1])),
        },
        plan.pairs,
    )
    calm = await asyncio.to_thread(sender.send, target.load(peaks[-1] / 2, seconds))
    target.answers += calm.bodies
    figure.notes.append(
        f"{len(refused_ms):,} refusals, p99 {_p99(refused_ms):.0f} ms; at half the peak right "
        f"afterwards p99 {calm.quantile(0.99) * 1000:.0f} ms"
    )
    figure.faults += await faults_of(running.settings, target.answers)
    return figure


async def _beside_a_flood(
    running: Accepting, sender: LoadProcess, flooder: LoadProcess, plan: Plan
) -> Figure:
    figure = Figure(
        id="P14",
        title=f"p99 of {QUIET_ACCOUNTS} accounts beside one that floods",
        unit="ms",
        ours=Side("beside the flood", KAFKA),
        against=Side("alone", KAFKA),
        bar=Bar(at_most=1.5),
    )
    seconds = max(0.5, QUIET_SECONDS_FULL * min(1.0, plan.scale))
    posts = posts_of(running.keys)
    *quiet, loud = (posts[n : n + QUIET_ACCOUNTS] for n in range(0, len(posts), QUIET_ACCOUNTS))
    turns = iter(quiet)
    first = [10**7]
    refused: list[float] = []

    def load(posts: Sequence[bytes], rate: float, seconds: float) -> Load:
        first[0] += 10**5
        return Load(running.url, posts, rate, seconds, first_number=first[0], bodies_kept=True)

    async def flood() -> None:
        flooding = load(loud, FLOOD_RATE, FLOODED_BEFORE_SECONDS + seconds)
        answers = await asyncio.to_thread(flooder.send, flooding)
        refused.extend(_refused_ms(answers))
        figure.faults += _wrong(answers)

    async def quiet_p99_ms(*, flooded: bool) -> float:
        async with asyncio.TaskGroup() as beside:
            if flooded:
                beside.create_task(flood())
            await asyncio.sleep(FLOODED_BEFORE_SECONDS)
            sending = load(next(turns), QUIET_RATE, seconds)
            answers = await asyncio.to_thread(sender.send, sending)
        if not all(DECIDED in body for body in answers.bodies):
            figure.faults.append(f"quiet accounts were answered {answers.by_status}")
        return answers.quantile(0.99) * 1000

    await interleave(
        {
            "alone": (figure.against, lambda: quiet_p99_ms(flooded=False)),
            "flooded": (figure.ours, lambda: quiet_p99_ms(flooded=True)),
        },
        plan.pairs,
    )
    figure.notes.append(
        f"{QUIET_RATE:g}/s of the quiet, {FLOOD_RATE:g}/s of the one, of which {len(refused):,} "
        f"were refused, p99 {_p99(refused):.0f} ms"
    )
    return figure


def _accepted(answers: Answers) -> int:
    return sum(
        status == ACCEPTED and DECIDED in body
        for status, body in zip(answers.statuses, answers.bodies, strict=True)
    )


def _refused_ms(answers: Answers) -> list[float]:
    return [
        seconds * 1000
        for seconds, status in zip(answers.seconds, answers.statuses, strict=True)
        if status in REFUSALS
    ]


def _wrong(answers: Answers) -> list[str]:
    strange = {s: n for s, n in answers.by_status.items() if s not in {ACCEPTED, *REFUSALS}}
    return [f"answered with {strange}"] if strange else []


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else 0.0
