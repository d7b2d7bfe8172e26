"""The load of the ledger's benchmarks: requests of many accounts, put on the topic at once."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from aiokafka import AIOKafkaProducer

from domain.ledger_state import ACTIVE_JOBS_MAX
from runtime.partitions import partition_of
from runtime.settings import Settings
from schemas.base import Event
from schemas.codec import Record, encode
from schemas.envelope import Cause
from schemas.requests import (
    CreditGrantRequested,
    GenerationRequested,
    PrivatePrompt,
    VideoSettings,
)
from schemas.topics import REQUESTS

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# As many as an account may have under way, so that the whole load is accepted.
RECORDS_PER_ACCOUNT = 1 + ACTIVE_JOBS_MAX
GRANTED_CREDITS = 1000
PROMPT = (
    "A lighthouse at dusk on a rocky coast, long exposure, gulls in the foreground, "
    "the beam sweeping slowly over a calm sea; cinematic, muted colours"
)
VIDEO = VideoSettings(model="veo-3.1", duration_seconds=8, resolution="720p", aspect_ratio="16:9")


def ledger_requests(accounts: int, seed: int = 1) -> list[Record]:
    """Make requests that the ledger all accepts.

    Shape: per account one grant and three generations, in this order; the accounts' records are
    mixed by chance, the same at every call with one seed.
    """
    chance = random.Random(seed)
    waiting = {n: _requests_of(f"account-{seed}-{n}", chance) for n in range(accounts)}
    order = [n for n in range(accounts) for _ in range(RECORDS_PER_ACCOUNT)]
    chance.shuffle(order)
    return [waiting[n].pop(0) for n in order]


def one_grant_per_partition(settings: Settings) -> list[Record]:
    """Make one record for each partition: what a worker is warmed up with."""
    found: dict[int, Record] = {}
    chance = random.Random(0)
    while len(found) < settings.partition_count:
        account_id = f"warm-{chance.getrandbits(40)}"
        partition = partition_of(account_id, settings.partition_count)
        found.setdefault(partition, _record(_grant(account_id, chance), chance))
    return list(found.values())


def grants(account_ids: Iterable[str], amount_credits: int) -> list[Record]:
    """Make one grant for each account, under keys that were never used."""
    chance = random.Random()
    return [_record(_grant(name, chance, amount_credits), chance) for name in account_ids]


def _requests_of(account_id: str, chance: random.Random) -> list[Record]:
    events: list[Event] = [_grant(account_id, chance)]
    for _ in range(ACTIVE_JOBS_MAX):
        job_id = _uuid(chance)
        events.append(
            GenerationRequested(
                account_id=account_id,
                occurred_at=AT,
                job_id=job_id,
                settings=VIDEO,
                idempotency_key=job_id,
                body_sha256=f"{chance.getrandbits(256):064x}",
                private=PrivatePrompt(prompt=PROMPT),
            )
        )
    return [_record(event, chance) for event in events]


def _grant(
    account_id: str, chance: random.Random, amount_credits: int = GRANTED_CREDITS
) -> CreditGrantRequested:
    return CreditGrantRequested(
        account_id=account_id,
        occurred_at=AT,
        amount_credits=amount_credits,
        reason="benchmark",
        requested_by="admin",
        idempotency_key=_uuid(chance),
    )


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def _record(event: Event, chance: random.Random) -> Record:
    cause = Cause(_uuid(chance), getattr(event, "job_id", _uuid(chance)))
    return encode(cause.envelop(event, 0, "/bench"))


async def put(settings: Settings, records: Sequence[Record], topic: str = REQUESTS.name) -> None:
    """Put records on a topic, all acknowledged by all replicas when this returns."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=262_144,
    )
    async with asyncio.timeout(120):
        await producer.start()
        try:
            sends = [
                await producer.send(
                    settings.namespace + topic,
                    record.value,
                    record.key,
                    partition_of((record.key or b"").decode(), settings.partition_count),
                    headers=list(record.headers),
                )
                for record in records
            ]
            await asyncio.gather(*sends)
        finally:
            await producer.stop()
