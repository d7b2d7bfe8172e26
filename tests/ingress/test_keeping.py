import asyncio
import contextlib

import pytest

from ingress import keeping
from ingress.keeping import StrayCancellation, keep_running, stray_cancellations_named


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(keeping, "PAUSE_SECONDS_FIRST", 0.001)


async def test_work_is_begun_again_whatever_ended_it():
    """aiokafka 0.14.0 lets a CancelledError of its own escape when a broker dies."""
    endings: list[BaseException] = [ValueError("broken"), asyncio.CancelledError()]
    steady = asyncio.Event()

    async def work() -> None:
        if endings:
            raise endings.pop(0)
        steady.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(keep_running("test", work))
    async with asyncio.timeout(5):
        await steady.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert running.cancelled()


async def test_work_that_is_told_to_stop_may_clean_up_first():
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    running = asyncio.create_task(keep_running("test", work))
    await begun.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert cleaned.is_set()


async def test_a_cancellation_from_inside_is_an_error_like_any_other():
    inner = asyncio.get_running_loop().create_future()
    inner.cancel()
    with pytest.raises(StrayCancellation), stray_cancellations_named():
        await inner


async def test_a_cancellation_of_the_caller_stays_one():
    begun = asyncio.Event()

    async def call() -> None:
        with stray_cancellations_named():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
