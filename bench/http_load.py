"""An open-loop load: requests leave on a schedule, and latency counts from the scheduled time.

A server that stands still is therefore seen by every request that was due meanwhile. Raw HTTP/1.1
on asyncio and httptools, in a process of its own: it takes a tenth of what the server takes.
"""

import asyncio
import multiprocessing
import socket
import time
from array import array
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Self, cast
from urllib.parse import urlsplit

import httptools
import uvloop

# Where a request holds this, each one that leaves holds its own number instead.
NUMBER = b"{number}"
FAILED = 0
# 10 s: what is not answered by then is counted as failed, with the time it waited.
ANSWER_SECONDS_MAX = 10.0
# 0.5 ms: requests due closer together than this leave together.
TICK_SECONDS = 0.0005


@dataclass(frozen=True)
class Load:
    """What is sent, to whom, how often and for how long.

    Shape: `requests` are whole HTTP requests as bytes, sent in turn.
    """

    url: str
    requests: Sequence[bytes]
    rate: float
    seconds: float
    connections_max: int = 256
    first_number: int = 0
    bodies_kept: bool = False


@dataclass
class Answers:
    """What came back, one item per request in the order of the schedule.

    Units: seconds. `late_seconds` is how late the generator itself was with a request that a free
    connection waited for.
    """

    seconds: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]  # 3.11
    statuses: array = field(default_factory=lambda: array("H"))  # type: ignore[type-arg]  # 3.11
    late_seconds: float = 0.0
    took_seconds: float = 0.0
    bodies: list[bytes] = field(default_factory=list)

    @property
    def by_status(self) -> dict[int, int]:
        return dict(sorted(Counter(self.statuses).items()))

    def quantile(self, share: float) -> float:
        """Give the time within which so large a share was answered; a failed one never is."""
        if not self.seconds:
            return float("nan")
        times = sorted(
            seconds if status != FAILED else float("inf")
            for seconds, status in zip(self.seconds, self.statuses, strict=True)
        )
        return float(times[min(len(times) - 1, int(share * len(times)))])


def request(
    method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> bytes:
    """Write one HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: load", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def send(load: Load) -> Answers:
    """Run a load in this process."""
    return uvloop.run(_Generator(load).run())


class LoadProcess:
    """A process of its own for loads, kept from one to the next."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Self:
        self._pool.submit(time.monotonic).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def send(self, load: Load) -> Answers:
        """Run a load there and wait for its end."""
        return self._pool.submit(send, load).result()


class _Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        parts = urlsplit(load.url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._count = max(1, round(load.rate * load.seconds))
        self._seconds = array("d", bytes(8 * self._count))
        self._statuses = array("H", bytes(2 * self._count))
        self._bodies: list[bytes] = [b""] * self._count if load.bodies_kept else []
        self._idle: list[_Connection] = []
        self._connections: set[_Connection] = set()
        self._opening = 0
        self._connecting: set[asyncio.Future[None]] = set()
        self._queue: deque[int] = deque()
        self._open_requests = self._count
        self._done = asyncio.Event()
        self._late = array("d")
        self.began_at = 0.0

    async def run(self) -> Answers:
        """Send everything on time, and wait for the answers."""
        loop = asyncio.get_running_loop()
        first = [self._connect() for _ in range(min(16, self._load.connections_max))]
        await asyncio.gather(*first)
        self.began_at = loop.time()
        await self._send_on_time()
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await self._done.wait()
        except TimeoutError:
            self._give_up()
        took = loop.time() - self.began_at
        for connection in list(self._connections):
            connection.close()
        late = sorted(self._late)
        return Answers(
            self._seconds,
            self._statuses,
            late[int(len(late) * 0.99)] if late else 0.0,
            took,
            self._bodies,
        )

    async def _send_on_time(self) -> None:
        now = asyncio.get_running_loop().time
        interval = 1 / self._load.rate
        number = 0
        while number < self._count:
            due = int((now() - self.began_at) / interval) + 1
            for item in range(number, min(due, self._count)):
                self._launch(item)
            number = max(number, min(due, self._count))
            pause = self.began_at + number * interval - now()
            await asyncio.sleep(max(pause, TICK_SECONDS))

    def due_at(self, item: int) -> float:
        return self.began_at + item / self._load.rate

    def _launch(self, item: int) -> None:
        if self._idle:
            self._late.append(asyncio.get_running_loop().time() - self.due_at(item))
            self._idle.pop().begin(item)
            return
        self._queue.append(item)
        if len(self._connections) + self._opening < self._load.connections_max:
            self._opening += 1
            task = asyncio.ensure_future(self._connect_more())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect_more(self) -> None:
        try:
            await self._connect()
        except OSError:
            if self._queue:
                self.ended(self._queue.popleft(), FAILED, b"")
        finally:
            self._opening -= 1

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: _Connection(self), self._host, self._port)

    def written(self, item: int) -> bytes:
        """Give the bytes of one request."""
        requests = self._load.requests
        template = requests[item % len(requests)]
        return template.replace(NUMBER, b"%012d" % (self._load.first_number + item))

    def opened(self, connection: "_Connection") -> None:
        self._connections.add(connection)
        self.free(connection)

    def free(self, connection: "_Connection") -> None:
        """Take a connection whose answer is complete."""
        if self._queue:
            connection.begin(self._queue.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def ended(self, item: int, status: int, body: bytes) -> None:
        """Note how one request ended."""
        self._seconds[item] = asyncio.get_running_loop().time() - self.due_at(item)
        self._statuses[item] = status
        if self._bodies:
            self._bodies[item] = body
        self._open_requests -= 1
        if not self._open_requests:
            self._done.set()

    def _give_up(self) -> None:
        for connection in list(self._connections):
            connection.give_up()
        while self._queue:
            self.ended(self._queue.popleft(), FAILED, b"")


class _Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, generator: _Generator) -> None:
        self._generator = generator
        self._item: int | None = None
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none of asyncio's classes, but does the same.
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._generator.opened(self)

    def begin(self, item: int) -> None:
        self._item = item
        self._transport.write(self._generator.written(item))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        item, self._item = self._item, None
        body = b"".join(self._body)
        self._body.clear()
        if item is not None:
            self._generator.ended(item, self._parser.get_status_code(), body)
        if self._parser.should_keep_alive():
            # A parser answers for one message; the next one begins anew.
            self._generator.free(self)
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._generator.lost(self)
        self.give_up()

    def give_up(self) -> None:
        """Count the request under way as failed."""
        item, self._item = self._item, None
        if item is not None:
            self._generator.ended(item, FAILED, b"")

    def close(self) -> None:
        self._transport.close()
