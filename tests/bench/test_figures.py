"""A figure keeps its bar by its median, and never with wrong results."""

import pytest

from bench.figures import Bar, Figure, Side, row


def figure(ours: list[float], against: list[float], bar: Bar, faults: list[str]) -> Figure:
    return Figure(
        id="P0",
        title="nothing",
        unit="1/s",
        ours=Side("ours", "none", ours),
        against=Side("other", "none", against),
        bar=bar,
        faults=faults,
    )


def test_pairs_are_compared_each_with_its_own():
    """Torture section 3: interleaved, so that what else the machine does meets both of a pair."""
    measured = figure([10, 40, 9], [5, 10, 9], Bar(at_least=2), [])
    assert measured.ratios == [2, 4, 1]
    assert measured.met
    assert row(measured)[-1] == "met"


def test_a_median_below_the_bar_misses_it():
    assert row(figure([19], [10], Bar(at_least=2), []))[-1] == "MISSED"
    assert row(figure([4], [10], Bar(at_most=0.3), []))[-1] == "MISSED"


def test_a_fast_wrong_run_is_a_failed_run():
    assert row(figure([99], [1], Bar(at_least=2), ["lag"]))[-1] == "WRONG RESULTS"


def test_rounds_that_are_not_pairs_are_refused():
    with pytest.raises(ValueError, match="argument"):
        _ = figure([1, 2], [1], Bar(), []).ratio
