"""A broker's connection that brings no answer is given up: torture.md row 14."""

import asyncio
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.errors import RequestTimedOutError
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest

from runtime.kafka_answers import expect_answers

SECONDS_MAX = 0.05


class Connection:
    def __init__(self) -> None:
        self.closed = False

    def close(self, reason: object) -> None:
        assert reason is not None
        self.closed = True


class Client:
    """aiokafka's client as far as it is replaced: answers after so many seconds."""

    def __init__(self, answer_seconds: float) -> None:
        self._request_timeout_ms = 30_000
        self._answer_seconds = answer_seconds
        groups = (ConnectionGroup.DEFAULT, ConnectionGroup.COORDINATION)
        self._conns = {(node, group): Connection() for node in (1, 2) for group in groups}

    async def send(self, node_id: int, request: object, *, group: object) -> str:
        assert (node_id, group) in self._conns
        await asyncio.sleep(self._answer_seconds)
        return type(request).__name__

    def closed_nodes(self) -> list[int]:
        return [node for (node, _), connection in self._conns.items() if connection.closed]


def expecting(answer_seconds: float) -> Any:
    client = Client(answer_seconds)
    expect_answers(client, seconds_max=SECONDS_MAX)
    return client


async def test_an_answer_in_time_passes_and_closes_nothing():
    client = expecting(0.0)
    assert await client.send(1, HeartbeatRequest("group", 1, "me")) == "HeartbeatRequest"
    assert client.closed_nodes() == []


async def test_without_an_answer_every_connection_to_that_broker_is_closed_and_no_other():
    client = expecting(SECONDS_MAX * 100)
    with pytest.raises(RequestTimedOutError):
        await client.send(1, HeartbeatRequest("group", 1, "me"))
    assert client.closed_nodes() == [1, 1]


async def test_a_request_to_join_a_group_may_be_held_for_longer():
    client = expecting(SECONDS_MAX * 2)
    join = JoinGroupRequest("group", 6000, 60_000, "", "", "consumer", [])
    assert await client.send(1, join, group=ConnectionGroup.COORDINATION) == "JoinGroupRequest"
    assert client.closed_nodes() == []


async def test_a_client_that_joins_no_group_asks_for_metadata_no_longer_than_for_the_rest():
    client = Client(0.0)
    expect_answers(client, joins_groups=False, seconds_max=SECONDS_MAX)
    assert client._request_timeout_ms == 50
