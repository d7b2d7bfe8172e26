"""A lane in memory, its provider and its clock."""

import pytest

from tests.processors.memory_lane import (
    MemoryLane,
    ScriptedProvider,
    SettableClock,
)


@pytest.fixture
def provider():
    return ScriptedProvider()


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
async def lane(tmp_path, provider, clock):
    lane = MemoryLane(tmp_path, provider, clock)
    lane.runner.opened()
    yield lane
    lane.closed = True
    await lane.runner.close()
