import asyncio

import pytest

from domain.breaker import BreakerLimits
from domain.failures import ProviderFault
from processors.job_timers import MOVED_MAX, JobTimers
from processors.provider_gate import PLACE_SECONDS_MAX, Place, ProviderGate, ProviderPausedError
from tests.virtual_time import run_virtually

LOST = ProviderFault(kind="transient", started="unknown", message="reset")
NO_KEY = ProviderFault(kind="transient", started="no", message="who?", status=401, lacks="key")


def gate(places_max: int = 1) -> ProviderGate:
    return ProviderGate("google", places_max, BreakerLimits())


async def told(gate: ProviderGate, fault: ProviderFault | None, times: int) -> None:
    for _ in range(times):
        async with gate.place("alice") as place:
            place.told(fault)


async def waits_in_vain() -> float:
    one = gate()
    async with one.place("alice"):
        began_at = asyncio.get_running_loop().time()
        with pytest.raises(ProviderPausedError):
            async with one.place("bob"):
                pass
        waited = asyncio.get_running_loop().time() - began_at
    async with one.place("bob"):
        assert one.waiting("read") == 0
    return waited


def test_a_step_in_hand_waits_ten_seconds_for_a_place_and_leaves_none_taken():
    assert run_virtually(waits_in_vain()) == pytest.approx(PLACE_SECONDS_MAX)


async def given_up_as_it_is_given() -> None:
    one = gate()
    async with one.place("alice") as place:
        waiting = asyncio.create_task(told(one, None, 1))
        await asyncio.sleep(0)
        # In one turn of the loop: the place is given to one whose wait is over.
        place.release()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await told(one, None, 1)


def test_a_place_given_to_one_that_was_cancelled_goes_to_the_next():
    run_virtually(given_up_as_it_is_given())


async def opened_by(fault: ProviderFault | None) -> str:
    one = gate()
    await told(one, fault, 5)
    if one.breaker.state == "open":
        with pytest.raises(ProviderPausedError):
            await told(one, None, 1)
    return one.breaker.state


@pytest.mark.parametrize(("fault", "state"), [(LOST, "open"), (NO_KEY, "closed"), (None, "closed")])
def test_only_what_speaks_of_the_provider_as_a_whole_counts_against_it(fault, state):
    assert run_virtually(opened_by(fault)) == state


async def order_of_starts() -> list[str]:
    one, started = gate(), []
    await told(one, LOST, 5)
    places: list[Place] = []
    for kind in ("retry", "order", "read"):

        def start(_: str, place: Place, kind: str = kind) -> None:
            started.append(kind)
            places.append(place)

        one.ask(kind, "alice", kind, start)
    await asyncio.sleep(59)
    assert started == []
    await asyncio.sleep(10)
    assert started == ["read"]
    places[0].told(None)
    await asyncio.sleep(10)
    return started


def test_after_an_outage_a_question_is_the_probe_and_nothing_goes_beside_it():
    """S4-87, I38."""
    assert run_virtually(order_of_starts()) == ["read", "retry"]


def test_moments_that_are_moved_all_the_time_do_not_pile_up():
    timers = JobTimers()
    for number in range(100_000):
        timers.set("job", float(number))
    assert len(timers._heap) <= MOVED_MAX + 10
    assert list(timers.pop_due(1e9)) == ["job"]
