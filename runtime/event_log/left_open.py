"""Takes back what earlier owners of a lane wrote and nobody decided about.

A broker may take a transaction for ended whose records are still open: brokers of Kafka 4.3.0 to
4.4.0 do so after a crash (KAFKA-20734). The next commit of the same writer would keep
those records, although their inputs are decided anew (decision 0038).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import TopicPartition

from runtime.logs import logger

log = logger(__name__)
# 20 s: a broker that comes back gets its partitions within some seconds; then the worker restarts.
WITHIN_SECONDS = 20.0
PAUSE_SECONDS = 0.1


async def take_back_open(
    own: Sequence[TopicPartition],
    committed: Any,  # noqa: ANN401  aiokafka has no types
    written: Any,  # noqa: ANN401  the same
    abort: Callable[[], Awaitable[None]],
) -> None:
    """Return once no record of `own` is undecided; abort those that are.

    Shape: `committed` and `written` read committed records and all; `abort` ends a transaction over
    the partitions, whose only writer is the caller.
    Raises: TimeoutError after 20 s.
    """
    async with asyncio.timeout(WITHIN_SECONDS):
        while undecided := await _undecided(own, committed, written):
            log.warning("transaction_left_open", partitions=undecided)
            await abort()
            await asyncio.sleep(PAUSE_SECONDS)


async def _undecided(
    own: Sequence[TopicPartition],
    committed: Any,  # noqa: ANN401  aiokafka has no types
    written: Any,  # noqa: ANN401  the same
) -> list[str]:
    ends, committed_ends = await asyncio.gather(
        written.end_offsets(own), committed.end_offsets(own)
    )
    return [
        f"{source.topic}[{source.partition}]: {committed_ends[source]} to {ends[source] - 1}"
        for source in own
        if committed_ends[source] < ends[source]
    ]
