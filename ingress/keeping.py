"""Keeps something running in the background, whatever ends it.

aiokafka 0.14.0 lets a CancelledError of its own escape to its callers when a broker dies; taken for
a real one it would end the caller as if it had been told to stop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from runtime.logs import logger

log = logger(__name__)
# 5 s: what is told to stop has this long to close its connections.
STOP_SECONDS_MAX = 5.0
# Doubling up to 2 s: a broker that is back is found within 2 s.
PAUSE_SECONDS_FIRST = 0.2
PAUSE_SECONDS_MAX = 2.0
# 10 s: what ran so long had started well; its end is a new story with a short pause.
STEADY_SECONDS = 10.0


class StrayCancellation(Exception):  # noqa: N818  what it is, rather than whose fault
    """Something was cancelled inside a call, not the caller."""


@contextmanager
def stray_cancellations_named() -> Iterator[None]:
    """Tell a CancelledError from inside a call from one that is meant for the caller.

    Raises: StrayCancellation for the former.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise StrayCancellation from error


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> NoReturn:
    """Run `work` again and again until cancelled; in a task of its own, see above."""
    loop = asyncio.get_running_loop()
    pause = PAUSE_SECONDS_FIRST
    while True:
        began_at = loop.time()
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS_MAX)
            raise
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if loop.time() - began_at > STEADY_SECONDS:
            pause = PAUSE_SECONDS_FIRST
        log.warning("interrupted", what=name, error=repr(error), pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_SECONDS_MAX)
