"""What a processor remembers survives being written and read back, in every reachable state."""

import msgspec
import pytest

from domain.ledger_commands import LedgerCommand
from processors import generation, ledger
from processors.generation import OpenJob
from runtime.event_log.states import PrefixCodec
from tests.domain.examples import job_id
from tests.domain.job_stories import Step, stories
from tests.domain.laws import whatever
from tests.domain.ledger_stories import commands, played

LEDGER = PrefixCodec(ledger.STATE_TYPES)
GENERATION = PrefixCodec(generation.STATE_TYPES)


@whatever(story=commands())
def test_every_account_reservation_and_key_reads_back_as_it_was(story: list[LedgerCommand]):
    for step in played(story):
        book = step.after
        states: list[tuple[str, object]] = [
            *((f"account/{name}", account) for name, account in book.accounts.items()),
            *((f"job/{who}/{job}", state) for (who, job), state in book.reservations.items()),
            *((f"key/{who}/{key}", use) for (who, key), use in book.key_uses.items()),
        ]
        for key, state in states:
            assert LEDGER.decode(key, LEDGER.encode(state)) == state


@whatever(story=stories())
def test_every_open_job_reads_back_as_it_was(story: list[Step]):
    for step in story:
        assert step.after is not None
        for traceparent in (None, "00-" + "a" * 32 + "-" + "b" * 16 + "-01"):
            opened = OpenJob(step.after, job_id(7), traceparent)
            assert GENERATION.decode("job/1", GENERATION.encode(opened)) == opened


def test_a_state_of_a_kind_nobody_declared_is_refused():
    with pytest.raises(KeyError):
        LEDGER.decode("stranger/1", b"{}")


def test_a_state_of_another_shape_is_refused():
    with pytest.raises(msgspec.DecodeError):
        LEDGER.decode("account/alice", b'{"available_credits":"many"}')


def test_a_state_that_holds_something_without_a_written_form_is_a_bug():
    with pytest.raises(AssertionError, match="a state holds a object"):
        LEDGER.encode([object()])


def test_the_kinds_of_state_that_are_known_are_those_that_were_declared():
    assert all(LEDGER.knows(f"{kind}/x") for kind in ("account", "job", "ended", "key"))
    assert not LEDGER.knows("stranger/1")
    assert not LEDGER.knows("accounts/1")
