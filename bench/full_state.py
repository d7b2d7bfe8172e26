"""Fills state topics as lanes do: many accounts, some of them with jobs in flight."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from bench.polled_jobs import jobs_in_flight
from domain.ledger_state import Account, Reservation
from processors.generation import STATE_TYPES as JOB_TYPES
from processors.generation import OpenJob, job_key
from processors.ledger import ACCOUNT, STATE_TYPES, reservation_key
from runtime.event_log.fenced_producer import FencedProducer, OutgoingRecord
from runtime.event_log.state_reader import POSITIONS_KEY, encode_positions
from runtime.event_log.states import PrefixCodec
from runtime.exits import die
from runtime.partitions import partition_of
from runtime.settings import Settings
from schemas.topics import GENERATION_STATE, LEDGER_STATE, Topic

GRANTED_CREDITS = 1000
PRICE_CREDITS = 80
# More than a lane's own transactions hold: those of a compacted topic are put together again.
RECORDS_PER_TRANSACTION = 2000
_ledger_codec = PrefixCodec(STATE_TYPES)
_generation_codec = PrefixCodec(JOB_TYPES)
# Whose it is, which decides the partition; its key; its bytes.
_Kept = tuple[str, str, bytes]


async def fill(settings: Settings, accounts: int, jobs: int) -> dict[str, int]:
    """Write the states of accounts and of jobs in flight; give what each account has left."""
    opened = list(jobs_in_flight(jobs))
    by_account: dict[str, list[OpenJob]] = defaultdict(list)
    for job in opened:
        by_account[job.job.account_id].append(job)
    names = [f"account-{number}" for number in range(accounts)]
    await _write(settings, LEDGER_STATE, _ledger_states(names, by_account))
    await _write(
        settings,
        GENERATION_STATE,
        ((o.job.account_id, job_key(o.job.job_id), _generation_codec.encode(o)) for o in opened),
    )
    return {name: GRANTED_CREDITS - PRICE_CREDITS * len(by_account[name]) for name in names}


def _ledger_states(names: Sequence[str], jobs: dict[str, list[OpenJob]]) -> Iterable[_Kept]:
    for name in names:
        active = jobs.get(name, [])
        reserved = PRICE_CREDITS * len(active)
        account = Account(
            available_credits=GRANTED_CREDITS - reserved,
            reserved_credits=reserved,
            granted_credits=GRANTED_CREDITS,
            sequence=1 + len(active),
            active_job_ids=tuple(opened.job.job_id for opened in active),
        )
        yield name, f"{ACCOUNT}/{name}", _ledger_codec.encode(account)
        for opened in active:
            reservation = Reservation(PRICE_CREDITS, "video_8s_generation", opened.job.reserved_at)
            key = reservation_key(name, opened.job.job_id)
            yield name, key, _ledger_codec.encode(reservation)


async def _write(settings: Settings, topic: Topic, states: Iterable[_Kept]) -> None:
    name = settings.namespace + topic.name
    by_partition: list[list[OutgoingRecord]] = [[] for _ in range(settings.partition_count)]
    for whose, key, value in states:
        partition = partition_of(whose, settings.partition_count)
        by_partition[partition].append(OutgoingRecord(name, key.encode(), value))
    await asyncio.gather(
        *(
            _write_partition(settings, name, number, records)
            for number, records in enumerate(by_partition)
        )
    )


async def _write_partition(
    settings: Settings, topic: str, partition: int, records: Sequence[OutgoingRecord]
) -> None:
    producer = FencedProducer(
        settings.kafka_bootstrap_servers, f"fill-{topic}-{partition}", partition, die
    )
    await producer.open()
    positions = OutgoingRecord(topic, POSITIONS_KEY.encode(), encode_positions({}))
    for first in range(0, len(records), RECORDS_PER_TRANSACTION):
        part = records[first : first + RECORDS_PER_TRANSACTION]
        await producer.write([*part, positions], topic, {})
    await producer.close()
