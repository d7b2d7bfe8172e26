"""A provider on a real socket that answers as it is told and remembers what it was asked."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request; `connection` counts from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    """Plays its replies in order; the last one goes on for ever."""

    received: list[Received] = field(default_factory=list)
    _replies: deque[Reply] = field(default_factory=deque)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _count: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def base_url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def replies(self, *replies: Reply) -> None:
        self._replies = deque(replies)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._count += 1
        number = self._count
        try:
            while received := await _read(reader, number):
                self.received.append(received)
                reply = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
                await reply(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client went away, or the test is over.
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body, connection)


def answer(status: int, body: object = b"", **headers: str) -> Reply:
    """Answer at once; anything but bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _send(_head(status, len(content), headers) + content)


def partial(declared_bytes: int, content: bytes) -> Reply:
    """Promise more bytes than are sent, then cut the connection."""
    return _send(_head(200, declared_bytes, {}) + content, cut=True)


def dripping(content: bytes, gap_seconds: float) -> Reply:
    """Send one byte after the other, so that no read ever waits long."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, len(content), {}))
        for byte in content:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(gap_seconds)

    return reply


async def cut(writer: asyncio.StreamWriter) -> None:
    """Take the whole request and close the connection without a word."""
    writer.close()
    raise ConnectionAbortedError


async def silence(_: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


def _send(content: bytes, *, cut: bool = False) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        if cut:
            await writer.drain()
            raise ConnectionAbortedError

    return reply


def _head(status: int, size: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {size}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
