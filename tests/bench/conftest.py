"""A broker and a database of the benchmarks' own, and the smallest plan that measures anything."""

import pytest

from bench.stage import Plan, open_stage

SMALLEST = Plan(pairs=1, scale=0.005)


@pytest.fixture
async def stage(tmp_path):
    async with open_stage(tmp_path) as stage:
        yield stage


@pytest.fixture
def plan() -> Plan:
    return SMALLEST
