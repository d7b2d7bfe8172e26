"""P12: requests that one ledger worker decides per second, with one record in a hundred unreadable.

As P1 (bench/ledger.py), with and without the poison among the same requests. The poison takes the
forms of torture.md row 17 that fit into a record the broker takes.
"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial

from aiokafka import ConsumerRecord

from bench.figures import Bar, Figure, Side, cpu_note
from bench.ledger import OURS, timed_run
from bench.ledger_truth import faults_of
from bench.load import RECORDS_PER_ACCOUNT, ledger_requests
from bench.log_watch import reader_of, until_no_lag
from bench.rounds import interleave
from bench.stage import Plan, Stage
from runtime.settings import Settings
from schemas.codec import Record
from schemas.topics import REQUESTS

REQUESTS_FULL = 20_000
POISON_SHARE = 0.01


async def measure(stage: Stage, plan: Plan) -> list[Figure]:
    """Measure P12."""
    load = ledger_requests(plan.amount(REQUESTS_FULL // RECORDS_PER_ACCOUNT))
    bad = poison(load)
    figure = Figure(
        id="P12",
        title="ledger: requests decided by one worker, 1 % poison",
        unit="requests/s",
        ours=Side("with 1 % poison", OURS.durability),
        against=Side("without", OURS.durability),
        bar=Bar(at_least=0.9),
    )

    async def once(side: Side, among: Sequence[Record], profile_as: str | None = None) -> float:
        check = partial(_faults, load, among)
        mixed = _mixed(load, among)
        run = await timed_run(stage, OURS, mixed, len(load), check, profile_as=profile_as)
        figure.faults += [f"{side.name}: {fault}" for fault in run.faults]
        if profile_as is None:
            side.cpu_us.append(run.cpu_seconds / len(load) * 1e6)
        return len(load) / run.seconds

    await interleave(
        {
            "ours": (figure.ours, lambda: once(figure.ours, bad)),
            "against": (figure.against, lambda: once(figure.against, [])),
        },
        plan.pairs,
    )
    figure.notes = [cpu_note(figure.ours, figure.against)]
    if plan.profile:
        await once(figure.ours, bad, "P12-ours")
    return [figure]


def poison(load: Sequence[Record]) -> list[Record]:
    """Make one record nobody can read for each hundred requests, each of another form in turn."""
    sound = load[0]
    value = sound.value or b""
    unknown_type = tuple(
        (name, b"tapeworks.never.heard.of" if name == "ce_type" else value)
        for name, value in sound.headers
    )
    forms = (
        Record(sound.key, b"", sound.headers),
        Record(sound.key, b"\xff\xfe\x00", sound.headers),
        Record(sound.key, value[: len(value) // 2], sound.headers),
        Record(sound.key, value, ()),
        Record(sound.key, value, unknown_type),
        Record(sound.key, b'{"amount_credits": NaN}', sound.headers),
        Record(sound.key, b'{"amount_credits": 1' + b"0" * 400 + b"}", sound.headers),
        Record(sound.key, b"[" * 10_000 + b"]" * 10_000, sound.headers),
    )
    count = max(len(forms), round(len(load) * POISON_SHARE))
    keys = [record.key for record in random.Random(3).sample(list(load), min(count, len(load)))]
    return [
        Record(key, forms[n % len(forms)].value, forms[n % len(forms)].headers)
        for n, key in enumerate(keys)
    ]


def _mixed(load: Sequence[Record], among: Sequence[Record]) -> list[Record]:
    """Put some records among others, whose order stays."""
    places = random.Random(4).sample(range(len(load)), len(among))
    at = dict(zip(places, among, strict=True))
    mixed: list[Record] = []
    for number, record in enumerate(load):
        if number in at:
            mixed.append(at[number])
        mixed.append(record)
    return mixed


async def _faults(
    load: Sequence[Record],
    among: Sequence[Record],
    settings: Settings,
    records: Sequence[ConsumerRecord],
    warm: Sequence[Record],
) -> list[str]:
    lag = await until_no_lag(settings, settings.namespace + OURS.group, REQUESTS.name)
    wrong = [f"{lag} requests of lag at the end"] if lag else []
    wrong += faults_of(records, len(warm) + len(load))
    async with reader_of(settings, REQUESTS.dead_letter) as aside:
        await aside.read_on()
    if Counter(record.value for record in aside.records) != Counter(r.value for r in among):
        wrong.append(f"{len(aside.records)} set aside, not the {len(among)} unreadable ones")
    return wrong
