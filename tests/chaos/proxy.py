"""A TCP proxy that spoils one link in seven ways, set and cleared while it runs.

The toxics have the names and effects of Shopify's toxiproxy; each acts in both directions.
"""

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65_536
# 0.1 s: a slow line passes a tenth of a second's worth at a time.
SLICE_SECONDS = 0.1
# SO_LINGER on, 0 s: closing resets the connection.
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Latency:
    """Every piece is late, by `seconds` give or take the jitter."""

    seconds: float
    jitter_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Bandwidth:
    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class SlowClose:
    """The end of a connection is told this much later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Timeout:
    """Bytes vanish and ends are not told, as on a half-open connection.

    When it is over, a connection with a hole in it is reset: no TCP stream goes on after one.
    With `old_alone`, connections that are made meanwhile are well.
    """

    old_alone: bool = False


@dataclass(frozen=True, slots=True)
class ResetPeer:
    """Every connection is reset, a new one as soon as it was made."""


@dataclass(frozen=True, slots=True)
class Slicer:
    """Pieces of `bytes_max`, each `pause_seconds` after the one before."""

    bytes_max: int
    pause_seconds: float


@dataclass(frozen=True, slots=True)
class LimitData:
    """A connection ends once so many bytes passed, counted from when this was set."""

    bytes_max: int


Toxic = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData


@dataclass(eq=False)
class _Connection:
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    old: bool = False
    holed: bool = False
    passed_bytes: int = 0

    def reset(self) -> None:
        for writer in self.writers:
            raw = writer.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            writer.transport.abort()


class Proxy:
    """One link: what connects to `port` is led to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._toxic: Toxic | None = None
        self._changed = asyncio.Event()
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection, task in tuple(self._connections.items()):
            connection.reset()
            task.cancel()
        await asyncio.gather(*self._connections.values(), return_exceptions=True)

    async def set(self, toxic: Toxic | None) -> None:
        """Spoil the link in one way, or in none; pauses of the way before end at once."""
        self._toxic = toxic
        self._changed.set()
        self._changed = asyncio.Event()
        for connection in self._connections:
            connection.passed_bytes, connection.old = 0, True
            silenced = self._silences(connection)
            if isinstance(toxic, ResetPeer) or (connection.holed and not silenced):
                connection.reset()

    def _silences(self, connection: _Connection) -> bool:
        toxic = self._toxic
        return isinstance(toxic, Timeout) and (connection.old or not toxic.old_alone)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection([writer])
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await self._serve(connection, reader, writer)
        except (OSError, asyncio.CancelledError):
            connection.reset()
        finally:
            del self._connections[connection]
            for open_writer in connection.writers:
                open_writer.close()

    async def _serve(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        back_reader, back_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        connection.writers.append(back_writer)
        if isinstance(self._toxic, ResetPeer):
            connection.reset()
            return
        there = asyncio.create_task(self._pump(connection, reader, back_writer))
        back = asyncio.create_task(self._pump(connection, back_reader, writer))
        try:
            await asyncio.gather(there, back)
        finally:
            there.cancel()
            back.cancel()
            await asyncio.wait([there, back])

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass one direction on until it ends, then tell its end."""
        while chunk := await reader.read(CHUNK_BYTES):
            await self._pass(connection, chunk, writer)
        if isinstance(self._toxic, SlowClose):
            await self._pause(self._toxic.seconds)
        while self._silences(connection):
            connection.holed = True
            await self._changed.wait()
        if not connection.holed and not writer.transport.is_closing():
            writer.write_eof()

    async def _pass(
        self, connection: _Connection, chunk: bytes, writer: asyncio.StreamWriter
    ) -> None:
        while chunk:
            piece, chunk = chunk, b""
            match self._toxic:
                case Latency(seconds, jitter_seconds):
                    jitter = random.uniform(-jitter_seconds, jitter_seconds)  # noqa: S311  not secret
                    await self._pause(max(seconds + jitter, 0.0))
                case Bandwidth(bytes_per_second):
                    taken = max(int(bytes_per_second * SLICE_SECONDS), 1)
                    piece, chunk = piece[:taken], piece[taken:]
                    await self._pause(len(piece) / bytes_per_second)
                case Slicer(bytes_max, pause_seconds):
                    piece, chunk = piece[:bytes_max], piece[bytes_max:]
                    await self._pause(pause_seconds)
                case LimitData(bytes_max):
                    piece = piece[: max(bytes_max - connection.passed_bytes, 0)]
                    connection.passed_bytes += len(piece)
                    if connection.passed_bytes >= bytes_max:
                        writer.write(piece)
                        await writer.drain()
                        raise ConnectionAbortedError("its bytes are used up")
                case _:
                    pass
            if self._silences(connection):
                connection.holed = True
                return
            writer.write(piece)
            await writer.drain()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
