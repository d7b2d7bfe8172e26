"""Ids are derived, never drawn: deciding again makes the same event with the same id."""

from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import strategies as st

from schemas.envelope import Cause, derived_event_id
from schemas.requests import CancellationRequested
from tests.contract.strategies import whatever

CAUSE_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
JOB_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EVENT = CancellationRequested(
    account_id="alice", occurred_at=AT, job_id=JOB_ID, requested_by="owner"
)
PARTS = st.tuples(st.uuids().map(str), st.sampled_from(("A", "B")), st.integers(0, 20))


@whatever(first=PARTS, second=PARTS)
def test_the_same_cause_type_and_index_make_the_same_id_and_others_another(first, second):
    assert (derived_event_id(*first) == derived_event_id(*second)) == (first == second)


def test_an_id_derived_once_is_derived_so_for_ever():
    """A changed rule would make every replay disagree with the tape."""
    assert derived_event_id(CAUSE_ID, "CreditsReserved", 0) == str(
        UUID("bfc3c556-e47f-5810-a771-b0ffb0f7ed0c")
    )


@whatever(parts=PARTS)
def test_a_derived_id_is_the_uuid_of_version_5(parts):
    cause_id, event_type, index = parts
    assert derived_event_id(*parts) == str(uuid5(UUID(cause_id), f"{event_type}:{index}"))


def test_a_cause_without_a_uuid_derives_nothing():
    with pytest.raises(ValueError, match="badly formed"):
        derived_event_id("order 17", "CreditsReserved", 0)


def test_what_follows_from_an_event_names_it_as_its_cause_and_keeps_story_and_trace():
    """I44."""
    first = Cause(CAUSE_ID, JOB_ID, "trace").envelop(EVENT, 0, "/ingress")
    second = Cause.of(first).envelop(EVENT, 1, "/ledger")
    assert (first.causation_id, second.causation_id) == (CAUSE_ID, first.event_id)
    assert (second.correlation_id, second.traceparent) == (JOB_ID, "trace")
    assert (second.source, second.event_type) == ("/ledger", "CancellationRequested")
    assert second.occurred_at == AT
    assert second.event_id == derived_event_id(first.event_id, "CancellationRequested", 1)
