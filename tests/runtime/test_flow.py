"""Records that Faust throws away around a rebalance are missed, or come again (0039, I01)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from runtime.transport import HardenedConsumer
from runtime.worker import _Resumption

FIRST, SECOND = TP("requests", 0), TP("requests", 1)


class App:
    """As much of a Faust app as a resumption asks, with one rebalance over."""

    consumer_generation_id = 7
    rebalancing_count = 1
    conf = SimpleNamespace(broker_request_timeout=1.0)

    def __init__(self, *, rebalanced_while_seeking: bool) -> None:
        self.told: list[str] = []
        self._again = rebalanced_while_seeking
        self.consumer = self
        self.on_rebalance_complete = SimpleNamespace(send=self._nothing)
        self.flow_control = SimpleNamespace(resume=lambda: self.told.append("flow control"))
        self._fetcher = SimpleNamespace(maybe_start=self._nothing)

    def assignment(self) -> set[TP]:
        return {FIRST}

    def resume_partitions(self, _: set[TP]) -> None: ...

    async def perform_seek(self) -> None:
        self.rebalancing_count += self._again

    def resume_flow(self) -> None:
        self.told.append("flow")

    def on_rebalance_end(self) -> None:
        self.told.append("rebalance over")

    async def _nothing(self) -> None: ...


@pytest.mark.parametrize(
    ("app", "told"),
    [
        (App(rebalanced_while_seeking=False), ["flow control", "flow", "rebalance over"]),
        (App(rebalanced_while_seeking=True), []),
    ],
    ids=["no other", "the next has begun"],
)
async def test_records_flow_again_unless_the_next_rebalance_has_begun(app: App, told: list[str]):
    resumption = object.__new__(_Resumption)
    resumption.app = app
    resumption._rebalance = app.rebalancing_count
    resumption.completed = asyncio.Event()
    resumption.tables = SimpleNamespace(
        on_actives_ready=lambda: None, on_standbys_ready=lambda: None
    )
    resumption._wait = _only_wait
    await resumption._resume_streams(app.consumer_generation_id)
    assert app.told == told


async def _only_wait(work: Any, timeout: float) -> None:  # noqa: ASYNC109  Faust's signature
    await asyncio.wait_for(work, timeout)


def records(*offsets: int) -> Sequence[Any]:
    return [
        SimpleNamespace(
            offset=offset, topic="requests", partition=1, key=b"", value=b"", headers=()
        )
        for offset in offsets
    ]


class Consumer(HardenedConsumer):
    """The part of the consumer that hands over what was fetched, without Faust's threads."""

    def __init__(self, *fetches: dict[TP, Sequence[Any]]) -> None:
        self._fetches = list(fetches)
        self._last_delivered = {FIRST: 9, SECOND: 32}
        self._read_offset = dict.fromkeys((FIRST, SECOND))
        self._buffered_partitions: set[TP] = set()
        self.flow_active = True
        self.app = SimpleNamespace(
            consumer_generation_id=7,
            monitor=SimpleNamespace(track_tp_end_offset=lambda *_: None),
            topics=SimpleNamespace(acks_enabled_for=lambda _: False),
        )

    should_stop = False

    async def _wait_next_records(self, _: float) -> Any:
        return self._fetches.pop(0), {FIRST, SECOND}

    def highwater(self, _: TP) -> int:
        return 0

    def _to_batch(self, tp: TP, fresh: Sequence[Any]) -> Any:
        previous = self._previous_offset(tp, fresh[0])
        self._last_delivered[tp] = fresh[-1].offset
        return tp, previous, [record.offset for record in fresh]

    def taken(self) -> AsyncIterator[Any]:
        return self.getmany(0.0)


async def test_what_was_fetched_and_thrown_away_is_missed_by_whoever_is_given_the_next():
    consumer = Consumer({FIRST: records(10), SECOND: records(33, 34)}, {SECOND: records(35)})
    async for _, message in consumer.taken():
        assert message == (FIRST, 9, [10])
        consumer.app.consumer_generation_id += 1
    assert [message async for _, message in consumer.taken()] == [(SECOND, 34, [35])]


async def test_a_record_of_which_nobody_knows_what_came_before_stands_behind_a_gap():
    consumer = Consumer({SECOND: records(55)})
    consumer._last_delivered.clear()
    assert [message async for _, message in consumer.taken()] == [(SECOND, 54, [55])]
