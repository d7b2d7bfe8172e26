"""Gives up a broker's connection that brings no answer, soon enough to go on by another.

A connection whose packets are dropped without a reset looks well for ever. aiokafka 0.14.0 has one
limit for all requests of a client, and a request to join a group may rightly be held for a minute;
every other one is answered at once, or within the 1.5 s for which a fetch is held.
"""

import asyncio
from typing import Any

from aiokafka.client import ConnectionGroup
from aiokafka.conn import CloseReason
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.group import JoinGroupRequest, SyncGroupRequest

from runtime.logs import logger

log = logger(__name__)
# 5 s: a dead connection is noticed, and what waited for it repeated, well within 30 s, and before
# a transaction's 12 s are over; a broker answers in milliseconds.
ANSWER_SECONDS_MAX = 5.0
_HELD_BY_THE_BROKER = (JoinGroupRequest, SyncGroupRequest)


def expect_answers(
    client: Any,  # noqa: ANN401  aiokafka has no types
    *,
    joins_groups: bool = True,
    seconds_max: float = ANSWER_SECONDS_MAX,
) -> None:
    """Have a client of aiokafka close its connections to a broker whose answer is late.

    Guarantee: the caller sees RequestTimedOutError, which aiokafka repeats where that is safe: a
    producer's records carry sequence numbers, by which the broker drops what it has already.
    """
    if not joins_groups:
        # Its questions for metadata, which do not go through `send`.
        client._request_timeout_ms = int(seconds_max * 1000)  # noqa: SLF001  aiokafka has one limit for all
    send = client.send

    async def bounded(node_id: Any, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:  # noqa: ANN401  passed through
        if isinstance(request, _HELD_BY_THE_BROKER):
            return await send(node_id, request, group=group)
        try:
            async with asyncio.timeout(seconds_max):
                return await send(node_id, request, group=group)
        except TimeoutError as error:
            log.warning("broker_silent", request=type(request).__name__, seconds=seconds_max)
            # All of them: found one by one, each would cost the same wait again.
            for (of_node, _), connection in tuple(client._conns.items()):  # noqa: SLF001  as aiokafka's own send
                if of_node == node_id:
                    connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
            raise RequestTimedOutError from error

    client.send = bounded
