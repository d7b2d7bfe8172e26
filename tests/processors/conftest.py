"""A lane in memory, its provider and its clock."""

import pytest

from domain.failures import ProviderFault
from providers.protocol import ProviderError
from tests.processors.memory_lane import (
    MemoryLane,
    ScriptedProvider,
    SettableClock,
)

NOT_TAKEN = ProviderError(ProviderFault(kind="transient", started="no", message="busy", status=503))
LOST = ProviderError(ProviderFault(kind="transient", started="unknown", message="reset"))
GONE = ProviderError(ProviderFault(kind="permanent", started="unknown", message="no", status=404))


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
