"""Stands before the simulator and answers in its place, in one phase of a job and so many times."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from fastapi import FastAPI

from simulator.app import create_app
from simulator.server import build_server, listen
from tests.taxonomy.answers import ANSWERS, Meaning

# 20 s: far beyond what a stop takes.
STOP_SECONDS_MAX = 20.0
# 5 s: longer than any client here waits.
SILENCE_SECONDS = 5.0
# Of a job, as its lane knows it, by what is asked of a provider then.
PHASE_BY_STATUS = {"submitting": "submit", "processing": "poll", "downloading": "download"}


class Gate:
    """Lets requests through to the simulator but for those that a rule takes."""

    def __init__(self) -> None:
        self._simulator = create_app(generation_seconds=0)
        self.url = ""
        self.clear()

    def clear(self) -> None:
        """Let everything through."""
        self._phase, self._provider, self._times = "", "", 0
        self._meaning: Meaning | None = None
        self._status: Callable[[], str] = str

    def take(
        self, provider: str, phase: str, meaning: Meaning, times: int, status: Callable[[], str]
    ) -> None:
        """Answer the next so many requests of a phase; `status` tells how far the job is."""
        self._provider, self._phase, self._times = provider, phase, times
        self._meaning, self._status = meaning, status

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self._takes(scope["path"]):
            assert self._meaning is not None
            self._times -= 1
            if self._meaning == "silence":
                await asyncio.sleep(SILENCE_SECONDS)
            else:
                await ANSWERS[self._provider][self._meaning]()(scope, receive, send)
            return
        await self._simulator(scope, receive, send)

    def _takes(self, path: str) -> bool:
        if self._times <= 0 or path.startswith("/_control"):
            return False
        if PHASE_BY_STATUS.get(self._status()) != self._phase:
            return False
        # An expired link is renewed by a poll during the download: that one goes through.
        fetches = self._provider == "vertex" or "/files/" in path
        return self._phase != "download" or fetches


@contextmanager
def serving(gate: Gate) -> Iterator[Gate]:
    """Serve the gate from a thread on a free port; it has stopped when the block ends."""
    server = build_server(cast("FastAPI", gate))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        gate.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield gate
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS_MAX)
            assert not thread.is_alive(), "the simulator did not stop"
