"""Requests to whatever is outside a process: each takes its time, and either way may be lost."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tests.simulation.virtual_loop import Process, VirtualLoop


class Network:
    """Carries requests of processes to servers, and their answers back.

    Units: seconds of virtual time; `latency_seconds` is the mean of one request and its answer.
    """

    def __init__(self, loop: VirtualLoop, random: Random, latency_seconds: float) -> None:
        self.loop = loop
        self.random = random
        self.latency_seconds = latency_seconds

    def delay(self) -> float:
        """Draw how long one request takes: mostly near the mean, one in 16 far above."""
        draw = self.random.random()
        if draw < 0.0625:
            return draw * 160 * self.latency_seconds
        return draw * 2 * self.latency_seconds

    def ask(self, serve: Callable[..., Any], *args: Any, seconds: float | None = None) -> Any:
        """Have `serve(*args)` done by the world in a while; await what is returned."""
        loop = self.loop
        answer: asyncio.Future[Any] = asyncio.Future(loop=loop)
        wait = self.delay() if seconds is None else seconds
        loop.world_at(loop.now + wait, self._serve, loop.owner, answer, serve, args)
        return answer

    def _serve(
        self,
        asker: Process,
        answer: "asyncio.Future[Any]",
        serve: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        loop = self.loop
        try:
            result, error = serve(*args), None
        except Exception as raised:  # noqa: BLE001  it is the asker's to deal with
            result, error = None, raised
        if result is LOST:
            return
        # The answer may be slow on its own: others see the effect before the asker does.
        if self.random.random() < 0.125:
            loop.world_at(loop.now + self.delay(), self._answer, asker, answer, result, error)
        else:
            self._answer(asker, answer, result, error)

    def _answer(
        self,
        asker: Process,
        answer: "asyncio.Future[Any]",
        result: Any,
        error: Exception | None,
    ) -> None:
        self.loop.resolve(asker, answer, result, error)


# What a server's function returns when its answer never arrives.
LOST = object()
