"""Ends the server without cutting off a client: each connection is told first that it closes.

A connection that is closed while its client sends the next request on it loses that request
(RFC 9112, section 9.5). So whoever uses a connection is answered once more, with
`Connection: close`; only those nobody used for a while are closed from here.
"""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# 2 s: who polls does so more often. With GRACEFUL_SECONDS_MAX in all below the 10 s of a drain.
TOLD_SECONDS = 2.0
LOOK_EVERY_SECONDS = 0.02


class Draining:
    """Tells clients on every answer to open a new connection, once draining began."""

    def __init__(self, app: ASGIApp) -> None:
        self.begun = False
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on."""
        if scope["type"] != "http" or not self.begun:
            await self._app(scope, receive, send)
            return

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, send_closing)


class DrainingServer(uvicorn.Server):
    """Stops accepting at once, and closes each connection after its next answer."""

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then do what uvicorn does."""
        for server in self.servers:
            server.close()
        self._draining.begun = True
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + TOLD_SECONDS
        while self.server_state.connections and loop.time() < give_up_at and not self.force_exit:  # noqa: ASYNC110  uvicorn keeps a set
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        await super().shutdown(sockets)
