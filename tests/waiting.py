"""Waits for committed progress with a deadline; the error says what did not come."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 20.0
) -> None:
    """Return as soon as `condition` holds.

    Raises: AssertionError naming `what` after the deadline.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110  progress is another process's, seen by asking
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
