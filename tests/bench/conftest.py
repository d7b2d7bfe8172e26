"""A broker and a database of the benchmarks' own, and the smallest plan that measures anything."""

import pytest
import pytest_asyncio

from bench.stage import Plan, open_stage

SMALLEST = Plan(pairs=1, scale=0.005)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory):
    """Give one stage to all: each benchmark has fresh topics and tables."""
    async with open_stage(tmp_path_factory.mktemp("bench")) as stage:
        yield stage


@pytest.fixture
def plan() -> Plan:
    return SMALLEST
