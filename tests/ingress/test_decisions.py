import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from ingress.decisions import WaitingRoom
from ingress.ports import TooManyWaiting
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
    room = WaitingRoom()
    envelope, record = decision(A)
    with room.expect(A) as mine, room.expect(B) as other:
        room.see(decision(C)[1])
        room.see(record)
        assert await mine.within(1) == envelope
        assert not other.done()


async def test_a_decision_that_came_before_it_was_waited_for_is_kept():
    room = WaitingRoom()
    with room.expect(A) as waiting:
        room.see(decision(A)[1])
        room.see(decision(A)[1])
        assert waiting.done()
        assert await waiting.within(0) is not None


async def test_nobody_waits_longer_than_was_said():
    with WaitingRoom().expect(A) as waiting:
        async with asyncio.timeout(1):
            assert await waiting.within(0.01) is None


async def test_a_decision_that_cannot_be_read_decides_nothing():
    room = WaitingRoom()
    _, record = decision(A)
    record.value = b"{"
    with room.expect(A) as waiting:
        room.see(record)
        record.headers = (("causation_id", b"\xff"),)
        room.see(record)
        record.headers = ()
        room.see(record)
        assert not waiting.done()


async def test_who_waits_is_bounded_and_makes_room_when_leaving():
    room = WaitingRoom(waiting_max=1)
    with room.expect(A):
        assert not room.empty
        with pytest.raises(TooManyWaiting), room.expect(B):
            pass
    assert room.empty
    with room.expect(B):
        pass
