"""Fetching finished files from Veo over real sockets: the key goes to one host alone."""

import traceback

import pytest

from providers.google import GoogleVeo
from providers.protocol import FetchError
from tests.providers.conftest import KEY
from tests.providers.scripted_server import ScriptedServer, answer, cut, partial

URI = "https://generativelanguage.googleapis.com/v1beta/files/x1:download?alt=media"
TARGET = "/v1beta/files/x1:download?alt=media"
CONTENT = bytes(range(256)) * 2000


async def fetched(veo: GoogleVeo, source: str = URI) -> bytes:
    content = bytearray()
    async with veo.fetch(source) as chunks:
        async for chunk in chunks:
            content += chunk
    return bytes(content)


@pytest.mark.parametrize("source", [URI, "http://elsewhere.example" + TARGET, "files/x1"])
async def test_a_file_comes_from_the_configured_host_with_the_key(veo, server, source):
    server.replies(answer(200, CONTENT))
    assert await fetched(veo, source) == CONTENT
    (request,) = server.received
    assert (request.method, request.target) == ("GET", TARGET)
    assert request.headers["x-goog-api-key"] == KEY


async def test_a_redirect_within_the_origin_is_followed_with_the_key(veo, server):
    server.replies(answer(302, Location="/moved?alt=media"), answer(200, CONTENT))
    assert await fetched(veo) == CONTENT
    assert [request.target for request in server.received] == [TARGET, "/moved?alt=media"]
    assert server.received[1].headers["x-goog-api-key"] == KEY


async def test_a_redirect_to_another_origin_is_not_followed(veo, server):
    """I28: whoever is named there never sees the key."""
    elsewhere = ScriptedServer()
    await elsewhere.start()
    server.replies(answer(302, Location=f"{elsewhere.base_url}/stolen"))
    with pytest.raises(FetchError, match="another host"):
        await fetched(veo)
    await elsewhere.stop()
    assert elsewhere.received == []


async def test_redirects_in_a_circle_come_to_an_end(veo, server):
    server.replies(answer(307, Location=TARGET))
    with pytest.raises(FetchError, match="more than 5 times"):
        await fetched(veo)
    assert len(server.received) == 6


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, b"gone"),
        answer(403),
        answer(500),
        answer(204),
        answer(206, b"part"),
        answer(200, b"zip", Content_Encoding="gzip"),
        answer(302, Location="http://[x"),
        partial(5000, b"half"),
        cut,
    ],
)
async def test_anything_but_the_whole_file_is_a_failed_fetch(veo, server, reply):
    """S0-58."""
    server.replies(reply)
    with pytest.raises(FetchError) as raised:
        await fetched(veo)
    told = "".join(traceback.format_exception(raised.value))
    assert KEY not in told
    assert "x1" not in str(raised.value)
    # httpx's own error holds the request, and with it the key.
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("status", "expired"), [(403, True), (404, True), (410, True), (401, False), (503, False)]
)
async def test_a_file_whose_time_is_over_says_so(veo, server, status, expired):
    """S0-54."""
    server.replies(answer(status))
    with pytest.raises(FetchError) as raised:
        await fetched(veo)
    assert raised.value.expired == expired


@pytest.mark.parametrize("source", ["", "files", "ftp://host/file", "https://host", "http://[x/y"])
async def test_a_source_that_is_no_address_is_a_failed_fetch(veo, server, source):
    server.replies(answer(200, CONTENT))
    with pytest.raises(FetchError):
        await fetched(veo, source)
    assert server.received == []


async def test_a_reader_may_stop_in_the_middle(veo, server):
    server.replies(answer(200, CONTENT))
    async with veo.fetch(URI) as chunks:
        assert await anext(chunks)
    assert await fetched(veo) == CONTENT
