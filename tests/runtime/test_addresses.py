"""What is inside a network and what is not; boundaries of the ranges among it."""

from runtime.addresses import names_inside
from tests.inside_hosts import INSIDE_HOSTS, PUBLIC_HOSTS


def test_the_corpus_is_as_large_as_it_should_be():
    """torture.md row 39."""
    assert len(set(INSIDE_HOSTS)) >= 150


def test_an_inside_host_is_seen_whatever_its_spelling():
    """torture.md row 39."""
    assert [host for host in INSIDE_HOSTS if not names_inside(host)] == []


def test_a_public_host_is_left_alone():
    assert [host for host in PUBLIC_HOSTS if names_inside(host)] == []


def test_what_is_no_host_at_all_leads_inside_rather_than_out():
    assert names_inside("")
