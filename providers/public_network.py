"""Connections to public addresses alone, for files whose address somebody else chose.

A name is looked up once, and what was checked is what is connected to: a name whose answer changes
between check and connection gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore
import httpx

from runtime.addresses import Address, is_public

# Of a name with many addresses, the first few; each may take the whole of what time is left.
_ADDRESSES_MAX = 4
# Gives a host's addresses.
Resolve = Callable[[str, int], Awaitable[list[Address]]]


async def resolved(host: str, port: int) -> list[Address]:
    """Look a host up.

    Raises: OSError.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(sockaddr[0])) for *_, sockaddr in found]


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Connects as httpcore does, but only to public addresses and to the one place trusted."""

    def __init__(
        self,
        trusted: tuple[str, int],
        resolve: Resolve = resolved,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._trusted = trusted
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's protocol
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host.

        Raises: httpcore.ConnectError where any of its addresses is not public.
        """
        options: dict[str, Any] = {"local_address": local_address, "socket_options": socket_options}
        if (host, port) == self._trusted:
            return await self._inner.connect_tcp(host, port, timeout, **options)
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._checked(host, port)
                return await self._first(addresses, port, timeout, options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("the host cannot be reached in time") from None

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError, ValueError):
            # ValueError: an address with a zone, which is a local one.
            raise httpcore.ConnectError("the host has no address") from None
        # All of them: who mixes an inside address in has chosen to.
        if not addresses or not all(map(is_public, addresses)):
            raise httpcore.ConnectError("the host lies inside the network")
        return addresses

    async def _first(
        self,
        addresses: list[Address],
        port: int,
        seconds_max: float | None,
        options: dict[str, Any],
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers."""
        problem: Exception = httpcore.ConnectError("the host has no address")
        for address in addresses[:_ADDRESSES_MAX]:
            try:
                return await self._inner.connect_tcp(str(address), port, seconds_max, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem


def keep_to_public_network(client: httpx.AsyncClient, trusted: httpx.URL) -> None:
    """Let a client connect to public addresses and to one trusted origin alone.

    Where the environment names a proxy, that connects in the client's stead and by its own rules.
    """
    port = trusted.port or {"http": 80, "https": 443}[trusted.scheme]
    # httpx 0.28 has no way to choose it; tests/providers/test_inside_addresses.py sees it work.
    pool = client._transport._pool  # type: ignore[attr-defined]  # noqa: SLF001  as said above
    pool._network_backend = PublicNetwork((trusted.host, port))  # noqa: SLF001  as said above
