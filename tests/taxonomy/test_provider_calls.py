"""The table of docs/provider-calls.md, row by row."""

import pytest

from tests.taxonomy.provider_calls import DOCUMENT, POINTS, Point, document, outcome_of, run_all

KNOWN_TO_HAVE_BEGUN_NOTHING = ("refused",)


async def test_the_page_says_what_happens(tmp_path):
    """C18, issue 5 item 3; torture.md rows 21, 22, 24, 25."""
    assert document(await run_all(tmp_path)) == DOCUMENT.read_text(), (
        "read what changed; if it is meant, run `python -m tests.taxonomy.provider_calls`"
    )


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.when)
async def test_paid_work_is_ordered_again_only_where_nothing_began(point: Point, tmp_path):
    outcome = await outcome_of(point, tmp_path)
    again = any(word in point.when for word in KNOWN_TO_HAVE_BEGUN_NOTHING)
    assert outcome.orders > 1 if again else outcome.orders <= 1
    assert (outcome.credits == "come back") == ("failed" in outcome.seen)
