"""A provider's link may lead to any public host, and never to a machine of our own network."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpcore
import pytest

from providers.fal import FalQueue
from providers.protocol import FetchError
from providers.public_network import PublicNetwork, resolved
from runtime.addresses import Address
from tests.inside_hosts import INSIDE_ADDRESSES, INSIDE_HOSTS, INSIDE_NAMES
from tests.providers.scripted_server import answer

ELSEWHERE = ("trusted.example", 443)
# httpx takes an octal address for no URL at all.
REFUSED = "inside the network|no https URL|Invalid URL"
PUBLIC = ip_address("93.184.215.14")
LOOPBACK = ip_address("127.0.0.1")


@dataclass
class Listener:
    """A machine inside, which counts who gets through to it."""

    port: int = 0
    connections: int = 0


@pytest.fixture
async def inside() -> AsyncIterator[Listener]:
    listener = Listener()

    async def welcome(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        writer.close()

    # Every address of this machine.
    server = await asyncio.start_server(welcome, "0.0.0.0", 0)  # noqa: S104  as said above
    listener.port = server.sockets[0].getsockname()[1]
    yield listener
    server.close()
    await server.wait_closed()


@dataclass
class Noted(httpcore.AsyncNetworkBackend):
    """Notes where it is told to connect, and goes nowhere."""

    asked: list[str] = field(default_factory=list)

    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectError("nobody there")


async def fetched(fal: FalQueue, source: str) -> bytes:
    async with fal.fetch(source) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_the_listener_would_notice_a_connection_and_a_number_does_lead_there(inside):
    """Without which the tests below could not fail."""
    plain = httpcore.AnyIOBackend()
    for host in ("127.0.0.1", "2130706433", "0x7f.1"):
        before = inside.connections
        stream = await plain.connect_tcp(host, inside.port)
        assert await stream.read(1) == b""
        await stream.aclose()
        assert inside.connections == before + 1


async def test_no_spelling_of_an_inside_address_is_connected_to(inside):
    """torture.md rows 28 and 39, at the last step, whatever let the address come so far."""
    network = PublicNetwork(ELSEWHERE)
    for host in INSIDE_ADDRESSES:
        with pytest.raises(httpcore.ConnectError):
            await network.connect_tcp(host.strip("[]"), inside.port, timeout=5)
    assert inside.connections == 0


async def test_a_name_that_leads_inside_is_not_connected_to(inside):
    async def lookup(host: str, port: int) -> list[Address]:
        assert host in INSIDE_NAMES
        return await resolved("127.0.0.1", port)

    network = PublicNetwork(ELSEWHERE, lookup)
    for host in INSIDE_NAMES:
        with pytest.raises(httpcore.ConnectError, match="inside the network"):
            await network.connect_tcp(host, inside.port, timeout=5)
    assert inside.connections == 0


async def test_a_name_that_flips_between_check_and_connection_gains_nothing(inside):
    """torture.md row 39: it is looked up once, and what was checked is connected to."""
    answers = [[PUBLIC], [LOOPBACK]]
    outside = Noted()

    async def flips(_: str, __: int) -> list[Address]:
        return answers.pop(0)

    network = PublicNetwork(ELSEWHERE, flips, outside)
    with pytest.raises(httpcore.ConnectError, match="nobody there"):
        await network.connect_tcp("flips.example", inside.port, timeout=5)
    assert (outside.asked, len(answers)) == ([str(PUBLIC)], 1)
    with pytest.raises(httpcore.ConnectError, match="inside the network"):
        await network.connect_tcp("flips.example", inside.port, timeout=5)
    assert outside.asked == [str(PUBLIC)]


async def test_one_inside_address_among_public_ones_is_enough():
    outside = Noted()

    async def mixed(_: str, __: int) -> list[Address]:
        return [PUBLIC, LOOPBACK]

    network = PublicNetwork(ELSEWHERE, mixed, outside)
    with pytest.raises(httpcore.ConnectError, match="inside the network"):
        await network.connect_tcp("mixed.example", 443, timeout=5)
    assert outside.asked == []


async def test_every_address_of_a_public_host_gets_its_try():
    outside, other = Noted(), ip_address("2606:4700::1111")

    async def two(_: str, __: int) -> list[Address]:
        return [PUBLIC, other]

    network = PublicNetwork(ELSEWHERE, two, outside)
    with pytest.raises(httpcore.ConnectError, match="nobody there"):
        await network.connect_tcp("two.example", 443, timeout=5)
    assert outside.asked == [str(PUBLIC), str(other)]


async def test_a_lookup_that_takes_for_ever_is_given_up():
    async def never(_: str, __: int) -> list[Address]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(httpcore.ConnectTimeout):
        await PublicNetwork(ELSEWHERE, never).connect_tcp("slow.example", 443, timeout=0.05)


async def test_a_link_that_leads_inside_is_refused(fal, server, monkeypatch):
    """torture.md rows 28 and 39: before anything is looked up."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", None)
    for host in INSIDE_HOSTS:
        with pytest.raises(FetchError, match=REFUSED):
            await fetched(fal, f"https://{host}/video.mp4")
    assert server.received == []


async def test_a_redirect_that_leads_inside_is_refused(fal, server, inside):
    """torture.md row 28: every hop is looked at like the first."""
    for number, host in enumerate(INSIDE_HOSTS, start=1):
        server.replies(answer(302, Location=f"https://{host}/video.mp4"))
        with pytest.raises(FetchError, match=REFUSED):
            await fetched(fal, f"{server.base_url}/files/b.mp4")
        assert len(server.received) == number
    assert inside.connections == 0


@pytest.mark.parametrize("more", [":22", ":8443", ":5432"])
async def test_only_the_port_of_https_is_contacted(fal, more):
    with pytest.raises(FetchError, match="with a port"):
        await fetched(fal, f"https://v3.fal.media{more}/video.mp4")


async def test_no_user_is_taken_along(fal):
    with pytest.raises(FetchError, match="or a user"):
        await fetched(fal, "https://ann:secret@v3.fal.media/video.mp4")


async def test_the_adapter_looks_at_what_a_public_name_leads_to(fal, monkeypatch):
    """The guard is in place; httpx has no public way to put it there."""
    loop, looked_up = asyncio.get_running_loop(), []

    async def lookup(host: str, port: int, **_: object):
        looked_up.append((host, port))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", lookup)
    with pytest.raises(FetchError, match="the host lies inside the network"):
        await fetched(fal, "https://files.fal.example/video.mp4")
    assert looked_up == [("files.fal.example", 443)]
