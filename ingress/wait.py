"""Waits until the read model shows what is on the log, so that a 404 is never a lie."""

import asyncio

from ingress.calls import within_call
from ingress.ports import Decisions, Generations
from runtime.clock import monotonic_seconds
from runtime.partitions import partition_of
from schemas.topics import LEDGER_EVENTS, REQUESTS

# 2 s: the longest a read may wait (design.md section 3).
WAIT_SECONDS_MAX = 2.0
# 5 ms, then half as long again each time: a projection is some 10 ms behind.
PAUSE_SECONDS_FIRST = 0.005
PAUSE_SECONDS_MAX = 0.1


class ReadModelBehind(Exception):  # noqa: N818  a state of the world, told by its plain name
    """The projection has not passed the end of the log within the bound."""


class Barrier:
    """Knows the ends of an account's partition and how far they have been applied."""

    def __init__(self, decisions: Decisions, read_model: Generations, partition_count: int) -> None:
        self._decisions = decisions
        self._read_model = read_model
        self._partition_count = partition_count

    async def requests_applied(self, account_id: str) -> None:
        """Wait until everything that is on the log now of an account's requests is applied.

        Raises: ReadModelBehind after 2 s, or once the call's time is over;
        BrokerUnavailable; DatabaseUnavailable.
        """
        give_up_at = monotonic_seconds() + within_call(WAIT_SECONDS_MAX)
        partition = partition_of(account_id, self._partition_count)
        ends = {
            REQUESTS.name: await self._decisions.requests_end(partition),
            LEDGER_EVENTS.name: self._decisions.ledger_end(partition),
        }
        await self._passed(partition, ends, give_up_at)

    async def decisions_applied(self, account_id: str) -> None:
        """Wait until every decision that this process has seen is applied.

        Raises: ReadModelBehind after 2 s, or once the call's time is over; DatabaseUnavailable.
        """
        give_up_at = monotonic_seconds() + within_call(WAIT_SECONDS_MAX)
        partition = partition_of(account_id, self._partition_count)
        ends = {LEDGER_EVENTS.name: self._decisions.ledger_end(partition)}
        await self._passed(partition, ends, give_up_at)

    async def _passed(self, partition: int, ends: dict[str, int], give_up_at: float) -> None:
        pause = PAUSE_SECONDS_FIRST
        while True:
            applied = await self._read_model.offsets(partition)
            if all(applied.get(topic, 0) >= end for topic, end in ends.items()):
                return
            if monotonic_seconds() + pause > give_up_at:
                raise ReadModelBehind
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, PAUSE_SECONDS_MAX)
