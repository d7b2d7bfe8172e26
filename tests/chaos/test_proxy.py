"""Each toxic acts as named: a fault run is worth no more than its faults."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from tests.chaos.proxy import (
    LOOPBACK,
    Bandwidth,
    Latency,
    LimitData,
    Proxy,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)

# Far longer than anything here takes; a wait that reaches it has hung.
PATIENCE_SECONDS = 10.0
SILENCE_SECONDS = 0.3


class Echo:
    """A server that sends back what it gets, and remembers when connections ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.pieces: list[int] = []

    async def serve(self, reader, writer):
        try:
            while piece := await reader.read(65_536):
                self.pieces.append(len(piece))
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            self.ended.set()
            writer.close()


@asynccontextmanager
async def linked():
    echo = Echo()
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    proxy = Proxy(server.sockets[0].getsockname()[1])
    await proxy.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield proxy, echo
    finally:
        await proxy.close()
        server.close()


@asynccontextmanager
async def connected(proxy):
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def echoed(reader, writer, sent: bytes) -> float:
    began_at = asyncio.get_running_loop().time()
    writer.write(sent)
    assert await reader.readexactly(len(sent)) == sent
    return asyncio.get_running_loop().time() - began_at


async def is_silent(reader) -> bool:
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


async def test_without_a_toxic_everything_passes_unchanged_and_an_end_is_told():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await echoed(reader, writer, bytes(range(256)) * 4096)
        writer.write_eof()
        assert await reader.read() == b""
        await echo.ended.wait()


async def test_latency_delays_both_ways_and_no_longer_once_it_is_cleared():
    async with linked() as (proxy, _), connected(proxy) as (reader, writer):
        await proxy.set(Latency(0.2, 0.05))
        assert await echoed(reader, writer, b"a") >= 0.3
        await proxy.set(None)
        assert await echoed(reader, writer, b"b") < 0.2


async def test_bandwidth_bounds_the_bytes_per_second():
    async with linked() as (proxy, _), connected(proxy) as (reader, writer):
        await proxy.set(Bandwidth(10_000))
        assert await echoed(reader, writer, b"x" * 5_000) >= 0.5


async def test_slow_close_keeps_an_end_to_itself_for_a_while():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await proxy.set(SlowClose(PATIENCE_SECONDS * 2))
        assert await echoed(reader, writer, b"a") < SILENCE_SECONDS
        writer.write_eof()
        assert await is_silent(reader)
        assert not echo.ended.is_set()
        await proxy.set(None)
        await echo.ended.wait()


async def test_with_timeout_bytes_vanish_while_the_connection_stays():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await echoed(reader, writer, b"a")
        await proxy.set(Timeout())
        writer.write(b"lost")
        assert await is_silent(reader)
        assert not echo.ended.is_set()


async def test_after_timeout_a_connection_with_a_hole_is_reset_and_one_without_goes_on():
    async with (
        linked() as (proxy, _),
        connected(proxy) as (reader, writer),
        connected(proxy) as (whole_reader, whole_writer),
    ):
        await echoed(reader, writer, b"a")
        await echoed(whole_reader, whole_writer, b"a")
        await proxy.set(Timeout())
        writer.write(b"lost")
        assert await is_silent(reader)
        await proxy.set(None)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        await echoed(whole_reader, whole_writer, b"b")


async def test_with_timeout_neither_side_hears_that_the_other_is_gone():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await echoed(reader, writer, b"a")
        await proxy.set(Timeout())
        writer.close()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE_SECONDS):
                await echo.ended.wait()
        await proxy.set(None)
        await echo.ended.wait()


async def test_reset_peer_resets_open_and_new_connections():
    async with linked() as (proxy, _), connected(proxy) as (reader, writer):
        await echoed(reader, writer, b"a")
        await proxy.set(ResetPeer())
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        async with connected(proxy) as (new_reader, _):
            with pytest.raises(ConnectionResetError):
                await new_reader.readexactly(1)


async def test_slicer_passes_small_pieces_with_pauses():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await proxy.set(Slicer(10, 0.01))
        assert await echoed(reader, writer, b"x" * 100) >= 0.1
        assert max(echo.pieces) <= 20  # two that came while the server was busy at most


async def test_limit_data_ends_a_connection_after_so_many_bytes():
    async with linked() as (proxy, echo), connected(proxy) as (reader, writer):
        await proxy.set(LimitData(1_000))
        writer.write(b"x" * 600)
        assert len(await reader.readexactly(400)) == 400
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        await echo.ended.wait()


async def test_a_target_that_is_away_ends_the_connection():
    proxy = Proxy(1)
    await proxy.start()
    try:
        async with connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
    finally:
        await proxy.close()


async def test_a_half_open_connection_stays_so_while_a_new_one_is_well():
    async with linked() as (proxy, _), connected(proxy) as (reader, writer):
        await echoed(reader, writer, b"a")
        await proxy.set(Timeout(old_alone=True))
        writer.write(b"lost")
        assert await is_silent(reader)
        async with connected(proxy) as (new_reader, new_writer):
            await echoed(new_reader, new_writer, b"b")
