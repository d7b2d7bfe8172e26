"""How many jobs a second the simulator alone serves: `python -m bench.simulator_speed`.

A job is an order with words of its own, the questions that its adapter asks, and the video. The
client is a plain socket and no HTTP library, so that the simulator is what is measured; what the
simulator's process spent of a core is printed beside, for a machine that others use too.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import psutil

CONNECTIONS = 16
JOBS = 2000
VEO = {"parameters": {"durationSeconds": 4, "aspectRatio": "16:9", "resolution": "720p"}}


class Wire:
    """One kept connection; a request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, method: str, path: str, document: object = None) -> bytes:
        body = b"" if document is None else json.dumps(document).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nx-goog-api-key: k\r\nAuthorization: Key k\r\n"
        )
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        assert answer[9:10] == b"2", answer
        length = answer.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]
        return await self._reader.readexactly(int(length))

    async def json(self, method: str, path: str, document: object = None) -> Any:  # noqa: ANN401  any JSON
        return json.loads(await self.ask(method, path, document))


async def google(wire: Wire, prompt: str) -> int:
    order = {"instances": [{"prompt": prompt}], **VEO}
    path = "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"
    operation = (await wire.json("POST", path, order))["name"]
    done = await wire.json("GET", f"/v1beta/{operation}")
    (sample,) = done["response"]["generateVideoResponse"]["generatedSamples"]
    return len(await wire.ask("GET", "/v1beta/" + sample["video"]["uri"].partition("/v1beta/")[2]))


async def vertex(wire: Wire, prompt: str) -> int:
    order = {"instances": [{"prompt": prompt}], **VEO}
    place = "/v1beta1/publishers/google/models/veo-3.1-generate-001"
    operation = (await wire.json("POST", f"{place}:predictLongRunning", order))["name"]
    # Twice, as the adapter does: to learn that it is done, and to get the video in the answer.
    for _ in range(2):
        done = await wire.ask(
            "POST", f"{place}:fetchPredictOperation", {"operationName": operation}
        )
    return len(done) * 3 // 4


async def fal(wire: Wire, prompt: str) -> int:
    order = {"prompt": prompt, "duration": "4s"}
    app = "/fal-ai/veo3.1"
    request = f"{app}/requests/{(await wire.json('POST', app, order))['request_id']}"
    await wire.ask("GET", f"{request}/status")
    video = (await wire.json("GET", request))["video"]["url"]
    return len(await wire.ask("GET", "/files/" + video.partition("/files/")[2]))


Job = Callable[[Wire, str], Awaitable[int]]
PROVIDERS: tuple[Job, ...] = (google, vertex, fal)


async def measure(port: int, process: psutil.Process, job: Job, jobs: int) -> str:
    numbers, sizes = count(), []

    async def work() -> None:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port, limit=2**20))
        while (number := next(numbers)) < jobs:
            sizes.append(await job(wire, f"{job.__name__} video {number} of a fox in the rain"))

    began_at, spent = time.perf_counter(), process.cpu_times()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    seconds = time.perf_counter() - began_at
    now = process.cpu_times()
    core_seconds = now.user + now.system - spent.user - spent.system
    assert len(sizes) == jobs
    return (
        f"{job.__name__:8} {jobs / seconds:6.0f} jobs/s   {jobs / core_seconds:6.0f} jobs per "
        f"second of one core   {sum(sizes) / jobs / 1000:5.0f} kB each"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.simulator_speed")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--options", default="", help="of the simulator, such as --plain-videos")
    asked = parser.parse_args(arguments)
    command = [sys.executable, "-m", "simulator", "--generation-seconds", "0"]
    with subprocess.Popen(
        [*command, *asked.options.split()], stdout=subprocess.PIPE, text=True
    ) as simulator:
        try:
            assert simulator.stdout is not None
            port = int(simulator.stdout.readline().rpartition(":")[2])
            process = psutil.Process(simulator.pid)
            asyncio.run(measure(port, process, google, 50))  # frames that all videos share
            for job in PROVIDERS:
                print(asyncio.run(measure(port, process, job, asked.jobs)), flush=True)
        finally:
            simulator.terminate()


if __name__ == "__main__":
    main()
