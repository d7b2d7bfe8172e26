"""A simulator on a free port, served as it is in production, and a client of its wire format."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulator.app import create_app
from simulator.server import build_server, listen

MODEL = "veo-3.1-generate-preview"
# 20 s: far beyond any answer here, far below the suite's own limit.
DEADLINE_SECONDS = 20.0


class Wire:
    """The requests of one generation, by hand. Generations take no time unless a test says so."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url, headers={"x-goog-api-key": "key"}, timeout=DEADLINE_SECONDS
        )
        self.http.get("/healthz").raise_for_status()

    def submit(
        self,
        prompt: str = "a red fox",
        *,
        model: str = MODEL,
        version: str = "v1beta",
        **parameters,
    ) -> httpx.Response:
        body = {"instances": [{"prompt": prompt}], "parameters": parameters}
        return self.http.post(f"/{version}/models/{model}:predictLongRunning", json=body)

    def name(self, prompt: str = "a red fox", **parameters) -> str:
        answer = self.submit(prompt, **parameters)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["name"])

    def poll(self, name: str, version: str = "v1beta") -> dict[str, Any]:
        answer = self.http.get(f"/{version}/{name}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def file(self, name: str) -> httpx.URL:
        result = self.poll(name)["response"]["generateVideoResponse"]
        uri = httpx.URL(result["generatedSamples"][0]["video"]["uri"])
        here = httpx.URL(self.url)
        return uri.copy_with(scheme=here.scheme, host=here.host, port=here.port)

    def download(self, name: str) -> httpx.Response:
        return self.http.get(self.file(name))

    def fault(self, kind: str, **fields) -> None:
        fault = {"provider": "google", "kind": kind} | (fields or {"next_n": 1})
        self.http.post("/_control/faults", json=fault).raise_for_status()

    def rows(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_control/submissions").json())


@contextmanager
def running(*, state: Path | None = None, seed: int = 0) -> Iterator[Wire]:
    """Serve a simulator from a thread; it has stopped when the block ends."""
    server = build_server(create_app(generation_seconds=0, seed=seed, state=state))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield wire
        finally:
            wire.http.close()
            server.should_exit = True
            thread.join(DEADLINE_SECONDS)
            assert not thread.is_alive(), "the simulator did not stop"


@pytest.fixture(scope="session")
def served() -> Iterator[Wire]:
    with running() as wire:
        yield wire


@pytest.fixture
def wire(served: Wire) -> Wire:
    """Give a simulator as if new: a start and a stop each cost more than most tests here."""
    served.http.delete("/_control/faults").raise_for_status()
    served.http.delete("/_control/submissions").raise_for_status()
    served.http.post("/_control/clock", json={"seconds": 0}).raise_for_status()
    return served
