"""Keys are forgotten when their 72 hours are over: not sooner, and all of them in the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest

from domain.ledger_state import Account, EndedJob, KeyUse, Reservation
from processors.expiry import KEYS_PER_COMMAND_MAX, MARGIN, Expiry, Forget
from runtime.clock import Clock
from tests.domain.examples import AT, SECOND, TICK
from tests.shell.lane_in_memory import FakeLane
from tests.waiting import eventually

# 1 ms: a sweep's pause, so that a test waits for a few sweeps without noticing.
SWEEP_SECONDS = 0.001


class SettableClock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def ending(at: datetime) -> KeyUse:
    return KeyUse("", at)


@asynccontextmanager
async def sweeping(lane: FakeLane, clock: Clock) -> AsyncIterator[Expiry]:
    expiry = Expiry(lane, clock=lambda: clock() + MARGIN, sweep_seconds=SWEEP_SECONDS)
    expiry.opened()
    try:
        yield expiry
    finally:
        await expiry.close()


async def some_sweeps() -> None:
    """Give sweeps their turn, where nothing should come of them."""
    await asyncio.sleep(20 * SWEEP_SECONDS)


async def until_forgotten(lane: FakeLane, count: int) -> None:
    """Wait for what should come; on a busy machine sweeps are late."""

    async def enough() -> bool:
        return len(forgotten(lane)) >= count

    await eventually(enough, f"{count} keys forgotten")


def forgotten(lane: FakeLane) -> list[str]:
    return [key for asked in lane.asked if isinstance(asked, Forget) for key in asked.keys]


async def test_a_key_is_forgotten_when_its_time_is_over_and_not_before():
    lane, clock = FakeLane(), SettableClock(AT - TICK)
    lane.states.load("key/alice/1", ending(AT))
    async with sweeping(lane, clock):
        await some_sweeps()
        assert lane.asked == []
        clock.now = AT
        await until_forgotten(lane, 1)
        await some_sweeps()
    assert lane.asked == [Forget(("key/alice/1",), AT)]


async def test_keys_that_came_later_are_forgotten_too_earliest_first():
    lane = FakeLane()
    async with sweeping(lane, lambda: AT) as expiry:
        for name, state in {"b": ending(AT), "a": ending(AT - SECOND)}.items():
            lane.states.load(f"key/alice/{name}", state)
            expiry.committed({f"key/alice/{name}": state}, ())
        await until_forgotten(lane, 2)
    assert forgotten(lane) == ["key/alice/a", "key/alice/b"]


async def test_what_is_no_key_or_is_over_already_is_left_alone():
    lane = FakeLane()
    lane.states.load("account/alice", Account())
    lane.states.load("job/1", Reservation(40, "video_4s_generation", AT))
    async with sweeping(lane, lambda: AT) as expiry:
        expiry.committed({"key/alice/1": None, "key/alice/2": ending(AT)}, ())
        await some_sweeps()
    assert lane.asked == []


async def test_an_ended_job_is_forgotten_when_its_time_is_over():
    lane = FakeLane()
    lane.states.load("ended/alice/1", EndedJob(40, refunded=False, expires_at=AT))
    async with sweeping(lane, lambda: AT):
        await until_forgotten(lane, 1)
    assert lane.asked == [Forget(("ended/alice/1",), AT)]


async def test_a_key_that_was_used_again_lives_on():
    lane = FakeLane()
    lane.states.load("key/alice/1", ending(AT))
    clock = SettableClock(AT - TICK)
    async with sweeping(lane, clock) as expiry:
        again = ending(AT + SECOND)
        lane.states.load("key/alice/1", again)
        expiry.committed({"key/alice/1": again}, ())
        clock.now = AT
        await some_sweeps()
        assert lane.asked == []
        clock.now = AT + SECOND
        await until_forgotten(lane, 1)
    assert forgotten(lane) == ["key/alice/1"]


async def test_many_keys_are_forgotten_in_portions_and_none_is_left():
    lane = FakeLane()
    count = KEYS_PER_COMMAND_MAX + 1
    for number in range(count):
        lane.states.load(f"key/alice/{number}", ending(AT))
    async with sweeping(lane, lambda: AT):
        await until_forgotten(lane, count)
    sizes = [len(asked.keys) for asked in lane.asked if isinstance(asked, Forget)]
    assert sizes == [KEYS_PER_COMMAND_MAX, 1]
    assert len(set(forgotten(lane))) == count


async def test_a_lane_that_closed_ends_the_sweep_without_a_word():
    lane = FakeLane(closed=True)
    lane.states.load("key/alice/1", ending(AT))
    async with sweeping(lane, lambda: AT):
        await some_sweeps()
        lane.closed = False
        await some_sweeps()
    assert lane.asked == []


async def test_a_sweep_that_never_began_can_be_closed():
    await Expiry(FakeLane()).close()


async def test_nothing_is_swept_after_the_close():
    lane = FakeLane()
    async with sweeping(lane, lambda: AT) as expiry:
        pass
    lane.states.load("key/alice/1", ending(AT))
    expiry.committed({"key/alice/1": ending(AT)}, ())
    await some_sweeps()
    assert lane.asked == []


@pytest.mark.parametrize("count", [1, 3])
async def test_a_key_seen_several_times_is_forgotten_and_then_gone(count):
    """The lane ends its record, so that later entries of the same key find nothing."""
    lane = FakeLane()
    lane.states.load("key/alice/1", ending(AT))
    async with sweeping(lane, lambda: AT) as expiry:
        for _ in range(count):
            expiry.committed({"key/alice/1": ending(AT)}, ())
        await until_forgotten(lane, 1)
    assert set(forgotten(lane)) == {"key/alice/1"}


async def test_a_worker_whose_clock_is_almost_an_hour_ahead_forgets_no_key_early():
    """torture.md row 12: a key's time comes from the ingress, the sweep's from another machine."""
    lane = FakeLane()
    lane.states.load("key/alice/1", ending(AT))
    ahead = Expiry(lane, clock=lambda: AT - TICK + MARGIN, sweep_seconds=SWEEP_SECONDS)
    ahead.opened()
    await some_sweeps()
    await ahead.close()
    assert lane.asked == []
