"""All that can go wrong, with every provider and in every phase, against docs/failures.md."""

import asyncio
from typing import get_args

import pytest

from domain.failures import ENDINGS
from domain.refunds import REFUND_BY_FAILURE
from schemas.failure import Phase
from tests.taxonomy.document import DOCUMENT, Results, document, run_all, short_waits
from tests.taxonomy.incidents import INCIDENTS, NEVER_IN, PROVIDERS

# Calls that may be repeated before a failure of a phase is final.
ATTEMPTS_MAX = 3


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    with short_waits():
        return asyncio.run(run_all(tmp_path_factory.mktemp("taxonomy")))


@pytest.fixture(scope="module")
def cells(results):
    return [
        (incident, provider, result)
        for provider, by_incident in results.items()
        for incident, result in by_incident.items()
    ]


def test_the_page_says_what_happens(results):
    """S0-79 to S0-88."""
    assert document(results) == DOCUMENT.read_text(), (
        "read what changed; if it is meant, run `python -m tests.taxonomy.document`"
    )


def test_every_cell_was_run_or_says_why_it_cannot_be(results):
    for incident in INCIDENTS:
        for provider in PROVIDERS:
            assert (incident in results[provider]) != (provider in incident.impossible)


def test_every_category_comes_up_in_every_phase_or_the_page_says_why_it_cannot(cells):
    met = {(result.category, incident.phase) for incident, _, result in cells if result.category}
    every = {(category, phase) for category in REFUND_BY_FAILURE for phase in get_args(Phase)}
    assert met | set(NEVER_IN) == every
    assert met & set(NEVER_IN) == set()


def test_every_code_comes_up(cells):
    assert {result.code for _, _, result in cells} == {"", *ENDINGS}


def test_money_moves_once_whichever_way_a_job_ends(cells):
    """I05, S0-26: each event was handed to the ledger twice."""
    for incident, provider, result in cells:
        failed = result.state == "failed"
        assert (result.given_back, result.kept) == (int(failed), int(not failed)), (
            incident.words,
            provider,
        )


def test_alerts_are_those_of_the_refund_table_and_no_job_raises_one_twice(cells):
    """S0-82, S0-83."""
    for incident, provider, result in cells:
        categories = [category for category, _, _ in result.alerts]
        at_end = result.category and REFUND_BY_FAILURE[result.category].alert != "never"
        early = [category for category, _, ends_job in result.alerts if not ends_job]
        assert len(categories) == len(set(categories)), (incident.words, provider)
        assert (result.category in categories) == bool(at_end), (incident.words, provider)
        assert all(REFUND_BY_FAILURE[each].alert == "at_once" for each in early)


def test_work_is_ordered_again_only_where_nothing_was_begun(cells):
    """C18: one job never buys two clips."""
    for incident, provider, result in cells:
        rule = REFUND_BY_FAILURE[result.category] if result.category else None
        expected = ATTEMPTS_MAX if rule and rule.retry == "submission" else None
        assert result.begun <= 1, (incident.words, provider)
        if incident.phase == "submit" and expected and result.submits:
            assert result.submits == expected, (incident.words, provider)
        if rule and rule.retry != "submission":
            assert result.submits <= 1, (incident.words, provider)


def test_a_file_is_fetched_again_only_where_its_category_says_so(cells):
    """S0-56, S0-82, C17; an expired link is renewed once, which is one fetch more."""
    for incident, provider, result in cells:
        if incident.phase not in {"download", "store"} or result.state != "failed":
            continue
        retry = REFUND_BY_FAILURE[result.category].retry
        if retry == "download":
            assert ATTEMPTS_MAX <= result.fetches <= ATTEMPTS_MAX + 1, (incident.words, provider)
        if retry == "never":
            assert result.fetches == 1, (incident.words, provider)
