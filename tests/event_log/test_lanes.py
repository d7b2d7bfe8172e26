"""A worker is ready when all its lanes are open, and not before."""

import asyncio

from processors.ledger import LedgerProgram
from runtime.event_log.lane import Lane
from runtime.event_log.lanes import Lanes
from runtime.settings import Settings
from tests.event_log.feeding import raise_died
from tests.waiting import eventually


async def test_a_worker_is_ready_only_when_all_its_lanes_are_open(settings: Settings, monkeypatch):
    """Readiness (issue 5, item 6)."""
    program = LedgerProgram(settings)
    lanes = Lanes(program, settings, raise_died)
    assert not lanes.ready
    may_open = {0: asyncio.Event(), 1: asyncio.Event()}
    opened: list[int] = []

    async def open_when_allowed(lane: Lane) -> None:
        await may_open[lane.partition].wait()
        opened.append(lane.partition)

    monkeypatch.setattr(Lane, "open", open_when_allowed)
    topics = [settings.namespace + topic.name for topic in program.inputs]
    await lanes.assigned((topic, number) for topic in topics for number in may_open)
    assert lanes.partitions == [0, 1]
    assert not lanes.ready
    may_open[1].set()

    async def one_is_open() -> bool:
        return opened == [1]

    await eventually(one_is_open, "the second lane opens")
    assert not lanes.ready
    may_open[0].set()

    async def ready() -> bool:
        return lanes.ready

    await eventually(ready, "all lanes are open")
    assert sorted(opened) == [0, 1]
    await lanes.revoked()
