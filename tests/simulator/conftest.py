"""A simulator on a free port, served as it is in production, and a client of its wire format."""

import base64
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from simulator.app import create_app
from simulator.server import TlsDoor, build_server, listen

MODEL = "veo-3.1-generate-preview"
VERTEX_MODEL = "veo-3.1-generate-001"
FAL_VEO = "fal-ai/veo3.1"
FOX = {"prompt": "a red fox"}
# 20 s: far beyond any answer here, far below the suite's own limit.
DEADLINE_SECONDS = 20.0


class Wire:
    """The requests of one generation, by hand. Generations take no time unless a test says so."""

    provider = "google"
    headers: Mapping[str, str] = {"x-goog-api-key": "key"}

    def __init__(self, url: str, *, trust: ssl.SSLContext | bool = True) -> None:
        self.url = url
        self.http = httpx.Client(
            base_url=url, headers=self.headers, verify=trust, timeout=DEADLINE_SECONDS
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
        fault = {"provider": self.provider, "kind": kind} | (fields or {"next_n": 1})
        self.http.post("/_control/faults", json=fault).raise_for_status()

    def clock(self, seconds: float) -> None:
        self.http.post("/_control/clock", json={"seconds": seconds}).raise_for_status()

    def rows(self) -> list[dict[str, Any]]:
        return list(self.http.get("/_control/submissions").json())

    def row(self, *fields: str) -> tuple[Any, ...]:
        """Return fields of the one submission there was."""
        (row,) = self.rows()
        return tuple(row[field] for field in fields)

    def close(self) -> None:
        self.http.close()


class VertexWire(Wire):
    """The same through Vertex: the poll is a POST, and its answer may hold the video."""

    provider = "vertex"
    place = ""  # of the project, with a slash behind it

    def submit(
        self,
        prompt: str = "a red fox",
        *,
        model: str = VERTEX_MODEL,
        version: str = "v1beta1",
        **parameters,
    ) -> httpx.Response:
        body = {"instances": [{"prompt": prompt}], "parameters": parameters}
        path = f"/{version}/{self.place}publishers/google/models/{model}:predictLongRunning"
        return self.http.post(path, json=body)

    def fetched(self, name: str, version: str = "v1beta1") -> httpx.Response:
        resource = name.partition("/operations/")[0]
        path = f"/{version}/{resource}:fetchPredictOperation"
        return self.http.post(path, json={"operationName": name})

    def poll(self, name: str, version: str = "v1beta1") -> dict[str, Any]:
        answer = self.fetched(name, version)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def video(self, name: str) -> dict[str, Any]:
        (video,) = self.poll(name)["response"]["videos"]
        return dict(video)

    def content(self, name: str) -> bytes:
        return base64.b64decode(self.video(name)["bytesBase64Encoded"])

    def stored(self, uri: str) -> httpx.Response:
        bucket, _, path = uri.removeprefix("gs://").partition("/")
        return self.http.get(f"/storage/v1/b/{bucket}/o/{quote(path, safe='')}?alt=media")


class FalWire(Wire):
    """The requests of a generation in fal's queue."""

    provider = "fal"
    headers = MappingProxyType({"authorization": "Key id:secret"})

    def order(self, endpoint: str = FAL_VEO, **arguments) -> httpx.Response:
        return self.http.post(f"/{endpoint}", json=FOX | arguments)

    def queued(self, endpoint: str = FAL_VEO, **arguments) -> dict[str, Any]:
        answer = self.order(endpoint, **arguments)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def status(self, request: dict[str, Any], **query) -> httpx.Response:
        return self.http.get(request["status_url"], params=query)

    def result(self, request: dict[str, Any]) -> httpx.Response:
        return self.http.get(request["response_url"])

    def cancel(self, request: dict[str, Any]) -> httpx.Response:
        return self.http.put(request["cancel_url"])

    def output(self, request: dict[str, Any]) -> httpx.Response:
        return self.http.get(self.result(request).json()["video"]["url"])


@contextmanager
def running(
    *, state: Path | None = None, seed: int = 0, door: TlsDoor | None = None
) -> Iterator[Wire]:
    """Serve a simulator from a thread; it has stopped when the block ends."""
    server = build_server(create_app(generation_seconds=0, seed=seed, state=state), door)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield wire
        finally:
            wire.close()
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
    served.clock(0)
    return served


@pytest.fixture
def vertex(wire: Wire) -> Iterator[VertexWire]:
    with closing(VertexWire(wire.url)) as vertex:
        yield vertex


@pytest.fixture
def fal(wire: Wire) -> Iterator[FalWire]:
    with closing(FalWire(wire.url)) as fal:
        yield fal
