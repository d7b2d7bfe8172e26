"""Serves the app with uvicorn, and can cut a connection as a failing network does."""

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BODY_BYTES_MAX = 64 * 2**20
# 120 s: longer than a client keeps an idle connection, so that no reused one is closed under it.
KEEP_ALIVE_SECONDS = 120
# 2 s: enough for any answer that is on its way.
STOP_SECONDS = 2
# Connections that may wait while the event loop is busy; the kernel may allow fewer.
BACKLOG = 2048
_CONNECTION = "simulator.connection"


class BodyTooLargeError(Exception):
    """A request carries more than `BODY_BYTES_MAX`; a provider's routes answer it."""


class CuttableProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn (seen with 0.54) that lets a route reach its connection.

    `tests/simulator/test_faults.py` pins that the client sees a cut, not an answer, and
    `test_restart.py` that a held request does not hold up the stop.
    """

    held = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent does
        """Hand this connection to every request that comes over it."""
        super().connection_made(transport)
        app = self.app

        async def with_connection(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
            scope[_CONNECTION] = self
            await app(scope, receive, send)

        self.app = with_connection

    def shutdown(self) -> None:
        """Stop: cut a request that is held, let any other one finish."""
        if self.held:
            self.transport.abort()
        else:
            super().shutdown()


@dataclass(frozen=True, slots=True)
class TlsDoor:
    """A listening socket behind which TLS is spoken."""

    listener: socket.socket
    context: ssl.SSLContext


async def cut_connection(request: Request) -> None:
    """Break the connection of a request whose body was read, without an answer."""
    connection: CuttableProtocol = request.scope[_CONNECTION]
    connection.transport.abort()
    await _disconnected(request)


async def hold(request: Request, seconds: float) -> None:
    """Leave a request whose body was read without an answer, until its client gives up at most."""
    connection: CuttableProtocol = request.scope[_CONNECTION]
    connection.held = True
    with suppress(TimeoutError):
        await asyncio.wait_for(_disconnected(request), seconds)
    connection.held = False


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def bounded_body(request: Request) -> bytes:
    """Read a body of at most `BODY_BYTES_MAX` bytes.

    Raises: BodyTooLargeError, as soon as there is more.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise BodyTooLargeError
    return bytes(body)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free port.

    Raises: OSError, if the address is not to be had.
    """
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it every answer on a
    # kept connection comes 40 ms late (Nagle's algorithm meets the delayed acknowledgement).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class TwoDoorServer(uvicorn.Server):
    """A server (of uvicorn 0.54) that takes TLS on one more socket, in the same event loop.

    `tests/simulator/test_tls.py` pins that both doors lead to the same simulator.
    """

    def __init__(self, config: uvicorn.Config, door: TlsDoor | None) -> None:
        super().__init__(config)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the plain sockets, then the one with TLS."""
        await super().startup(sockets)
        if self._door is None:
            return
        protocol = partial(
            CuttableProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        loop = asyncio.get_running_loop()
        self.servers.append(
            await loop.create_server(
                protocol, sock=self._door.listener, ssl=self._door.context, backlog=BACKLOG
            )
        )


def build_server(app: FastAPI, door: TlsDoor | None = None) -> uvicorn.Server:
    """Return a quiet server; give it listening sockets with `run(sockets=...)`."""
    config = uvicorn.Config(
        app,
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return TwoDoorServer(config, door)
