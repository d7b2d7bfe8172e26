import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from ingress.decisions import UNDECIDED_SECONDS_MAX, WaitingRoom
from ingress.ports import BrokerUnavailable, TooManyWaiting
from runtime import metrics
from schemas.codec import encode
from schemas.envelope import Envelope
from schemas.ledger import CancellationAccepted
from tests.ingress.fakes import NOON

JOB = "00000000-0000-4000-8000-000000000000"
EVENT = "00000000-0000-4000-8000-000000000001"
A, B, C = (f"00000000-0000-4000-8000-00000000000{digit}" for digit in "abc")


def decision(cause: str) -> tuple[Envelope, Any]:
    """Give a decision and the record that carries it."""
    event = CancellationAccepted(
        account_id="ann",
        occurred_at=NOON,
        sequence=1,
        balance_after=0,
        job_id=JOB,
        requested_by="owner",
    )
    envelope = Envelope(event, EVENT, "/tapeworks/ledger", JOB, cause)
    record = encode(envelope)
    return envelope, SimpleNamespace(
        key=record.key, value=record.value, headers=record.headers, offset=7
    )


async def test_a_decision_reaches_whoever_waits_for_it_and_nobody_else():
    room = WaitingRoom(10)
    envelope, record = decision(A)
    with room.expect(A) as mine, room.expect(B) as other:
        room.see(decision(C)[1])
        room.see(record)
        assert await mine.within(1) == envelope
        assert not other.done()


async def test_a_decision_that_came_before_it_was_waited_for_is_kept():
    room = WaitingRoom(10)
    with room.expect(A) as waiting:
        room.see(decision(A)[1])
        room.see(decision(A)[1])
        assert waiting.done()
        assert await waiting.within(0) is not None


async def test_nobody_waits_longer_than_was_said():
    with WaitingRoom(10).expect(A) as waiting:
        async with asyncio.timeout(1):
            assert await waiting.within(0.01) is None


async def test_a_decision_that_cannot_be_read_decides_nothing():
    room = WaitingRoom(10)
    _, record = decision(A)
    record.value = b"{"
    with room.expect(A) as waiting:
        room.see(record)
        record.headers = (("causation_id", b"\xff"),)
        room.see(record)
        record.headers = ()
        room.see(record)
        assert not waiting.done()


async def test_what_the_ledger_is_behind_with_is_bounded_and_each_decision_makes_room():
    """S4-91."""
    room = WaitingRoom(1)
    refused_before = metrics.admission_refusals._value.get()
    with room.expect(A) as waiting:
        with pytest.raises(TooManyWaiting), room.expect(B):
            pass
        assert await waiting.within(0) is None
    # The call gave up, the request did not.
    assert room.undecided == 1
    with pytest.raises(TooManyWaiting), room.expect(B):
        pass
    assert metrics.admission_refusals._value.get() == refused_before + 2
    room.see(decision(A)[1])
    with room.expect(B):
        room.see(decision(B)[1])
    assert room.undecided == 0


async def test_what_was_surely_not_sent_is_nothing_to_be_behind_with():
    room = WaitingRoom(1)
    with pytest.raises(BrokerUnavailable), room.expect(A):
        raise BrokerUnavailable("away")
    assert room.undecided == 0


async def test_a_decision_that_never_comes_takes_up_room_for_a_minute_at_most():
    now = 0.0
    room = WaitingRoom(1, lambda: now)
    with room.expect(A):
        pass
    now = UNDECIDED_SECONDS_MAX - 0.1
    with pytest.raises(TooManyWaiting), room.expect(B):
        pass
    now = UNDECIDED_SECONDS_MAX
    with room.expect(B):
        pass
