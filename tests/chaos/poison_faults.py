"""Records that nobody can read, on the topic that everybody may be brought to write to."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from schemas.codec import ContractError, decode
from schemas.topics import REQUESTS
from tests.chaos.arena import Arena
from tests.chaos.fault import Fault, Size
from tests.chaos.log_faults import latest

MEBIBYTE = 1_048_576
# A client that would send anything: the broker is what refuses.
REQUEST_BYTES_MAX = 64 * MEBIBYTE
SET_ASIDE_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Poison:
    """A record made from a good one, and the reason with which it must be set aside."""

    value: Callable[[bytes], bytes | None]
    reason: str
    headers: Mapping[str, bytes]


def _poison(
    value: Callable[[bytes], bytes | None], reason: str = "bad_body", **headers: bytes
) -> Poison:
    return Poison(value, reason, headers)


def _in_a_field(text: bytes) -> Callable[[bytes], bytes]:
    return lambda good: good.replace(b'"duration_seconds":4', b'"duration_seconds":' + text)


# torture.md row 17.
KINDS: Mapping[str, Poison] = {
    "empty": _poison(lambda _: b"", "empty_value"),
    "tombstone": _poison(lambda _: None, "empty_value"),
    "not UTF-8": _poison(lambda good: good.replace(b'"', b"\xff", 1)),
    "truncated JSON": _poison(lambda good: good[: len(good) // 2]),
    "unknown type": _poison(lambda good: good, "unknown_type", ce_type=b"tapeworks.Nonsense"),
    "unknown version": _poison(
        lambda good: good,
        "unknown_version",
        ce_dataschema=b"published/generation-requested/99.json",
    ),
    "wrong schema": _poison(lambda _: b'{"prompt": 7}'),
    "NaN": _poison(_in_a_field(b"NaN")),
    "10^400": _poison(_in_a_field(b"1" + b"0" * 400)),
    "nested 10,000 deep": _poison(_in_a_field(b"[" * 10_000 + b"]" * 10_000)),
}


async def poison(arena: Arena, _: str) -> None:
    """Write one record of each kind beside the load; each must be set aside whole, at once."""
    settings = arena.system.settings
    topic = settings.namespace + REQUESTS.name
    good = [each for each in await latest(arena, topic) if _is_good(each)]
    assert good, "a job was posted before"
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        max_request_size=REQUEST_BYTES_MAX,
        acks="all",
    )
    await producer.start()
    try:
        await _refused_by_the_broker(arena, producer, topic)
        sent_at = time.monotonic()
        written: dict[tuple[int, int], tuple[str, ConsumerRecord]] = {}
        for kind in arena.dice.sample(sorted(KINDS), len(KINDS)):
            model = arena.dice.choice(good)
            offset = await _written(producer, model, KINDS[kind])
            written[model.partition, offset] = (kind, model)
    finally:
        await producer.stop()
    arena.say(f"wrote {', '.join(kind for kind, _ in written.values())}")
    arena.count("poison records", len(written))
    await _set_aside(arena, written)
    arena.say(f"all set aside {time.monotonic() - sent_at:.2f} s after the first was sent")
    await arena.recovered(sent_at)


def _is_good(record: ConsumerRecord) -> bool:
    """Say whether a record can be read, and has what the kinds change: none is made of another."""
    try:
        decode(record.key, record.value, record.headers)
    except ContractError:
        return False
    return b'"duration_seconds":4' in record.value


async def _written(producer: AIOKafkaProducer, model: ConsumerRecord, kind: Poison) -> int:
    headers = list({**dict(model.headers), **kind.headers}.items())
    value = kind.value(model.value)
    sent = await producer.send_and_wait(
        model.topic, value, key=model.key, partition=model.partition, headers=headers
    )
    return sent.offset


async def _refused_by_the_broker(arena: Arena, producer: AIOKafkaProducer, topic: str) -> None:
    try:
        await producer.send_and_wait(topic, b"x" * 20 * MEBIBYTE, key=b"large", partition=0)
    except MessageSizeTooLargeError:
        arena.count("too large, refused by the broker")
    else:
        arena.wrong.append("the broker took a record of 20 MiB")


async def _set_aside(
    arena: Arena, written: Mapping[tuple[int, int], tuple[str, ConsumerRecord]]
) -> None:
    """Wait for the dead letter of each record; it has its place, its reason and its bytes."""
    settings = arena.system.settings
    topic = settings.namespace + REQUESTS.dead_letter
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    waiting = dict(written)
    try:
        consumer.assign([TopicPartition(topic, n) for n in range(settings.partition_count)])
        async with asyncio.timeout(SET_ASIDE_SECONDS_MAX):
            while waiting:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    for letter in batch:
                        about = {name: value.decode() for name, value in letter.headers[-6:]}
                        place = letter.partition, int(about["dead_letter_offset"])
                        kind, model = waiting.pop(place, ("", None))
                        if model is not None:
                            _check(arena, kind, model, letter, about["dead_letter_reason"])
    except TimeoutError:
        kinds = [kind for kind, _ in waiting.values()]
        arena.wrong.append(f"not set aside within {SET_ASIDE_SECONDS_MAX} s: {kinds}")
    finally:
        await consumer.stop()


def _check(
    arena: Arena, kind: str, model: ConsumerRecord, letter: ConsumerRecord, reason: str
) -> None:
    expected = (model.key, KINDS[kind].value(model.value), KINDS[kind].reason)
    if (letter.key, letter.value, reason) != expected:
        arena.wrong.append(f"{kind} was set aside as {reason}: {letter.value!r:.100}")


POISON_FAULTS = (
    Fault(
        "poison_records",
        "17",
        poison,
        small=Size(strikes=1, jobs=8),
        full=Size(strikes=20, jobs=1000, pause_seconds_max=20),
    ),
)
