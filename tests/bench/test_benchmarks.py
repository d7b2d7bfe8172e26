"""Every benchmark runs and its results are right; how fast anything is, is not looked at here."""

import pytest

from bench.catalogue import BENCHMARKS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("ids", BENCHMARKS, ids=" and ".join)
async def test_a_benchmark_runs_and_its_results_are_right(ids, stage, plan):
    figures = await BENCHMARKS[ids](stage, plan)
    assert [figure.id for figure in figures] == list(ids)
    for figure in figures:
        assert figure.faults == []
        assert [len(side.values) for side in (figure.ours, figure.against)] == [1, 1]
        assert figure.ratio > 0
