"""Fetching files of fal over real sockets: without the key, and over https alone."""

import pytest

from providers.fal import FalQueue
from providers.protocol import (
    FetchError,
)
from tests.providers.scripted_server import answer


async def fetched(fal: FalQueue, source: str) -> bytes:
    async with fal.fetch(source) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_file_is_fetched_without_the_key(fal, server):
    """I28: files lie on another host than the queue, which alone may see it."""
    server.replies(answer(302, Location="/files/c.mp4"), answer(200, b"x" * 600_000))
    assert await fetched(fal, f"{server.base_url}/files/b.mp4") == b"x" * 600_000
    assert [request.target for request in server.received] == ["/files/b.mp4", "/files/c.mp4"]
    assert not [request for request in server.received if "authorization" in request.headers]


@pytest.mark.parametrize(
    "source",
    ["", "files/b.mp4", "http://127.0.0.1:1/x", "ftp://host/file", "https://", "http://[x"],
)
async def test_a_source_without_https_is_a_failed_fetch(fal, server, source):
    with pytest.raises(FetchError, match="https"):
        await fetched(fal, source)
    assert server.received == []


async def test_a_redirect_away_from_https_is_not_followed(fal, server):
    server.replies(answer(302, Location="http://127.0.0.1:1/x"))
    with pytest.raises(FetchError, match="without https"):
        await fetched(fal, f"{server.base_url}/files/b.mp4")


@pytest.mark.parametrize(
    ("status", "expired"), [(403, True), (404, True), (410, True), (500, False)]
)
async def test_a_link_whose_time_is_over_says_so(fal, server, status, expired):
    server.replies(answer(status))
    with pytest.raises(FetchError) as raised:
        await fetched(fal, f"{server.base_url}/files/b.mp4")
    assert raised.value.expired == expired
