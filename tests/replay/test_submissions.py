"""The rows of a simulator, fetched over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from replay.submissions import SubmissionRow, SubmissionsError, fetch_submissions

ROW = (
    b'{"provider": "google", "model": "veo", "operation": null, "prompt": "a", '
    b'"received_at": "2026-11-21T12:00:00Z", "billed": false, "status": 500, "fault": null}'
)


@asynccontextmanager
async def answering(status: bytes, body: bytes, *, hang: bool = False) -> AsyncIterator[str]:
    """Serve one answer to everything."""
    released = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if hang:
            await released.wait()
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        writer.write(head % (status, len(body)) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        released.set()
        server.close()
        await server.wait_closed()


async def test_rows_are_read_and_what_they_hold_besides_is_left():
    async with answering(b"200 OK", b"[%s]" % ROW) as url:
        rows = await fetch_submissions(url)
    assert rows == [SubmissionRow("google", "veo", None, "a", "2026-11-21T12:00:00Z", billed=False)]


@pytest.mark.parametrize(
    ("status", "body"), [(b"500 Oops", b""), (b"200 OK", b"<html>"), (b"200 OK", b'[{"a": 1}]')]
)
async def test_any_other_answer_is_an_error_that_names_the_address(status: bytes, body: bytes):
    async with answering(status, body) as url:
        with pytest.raises(SubmissionsError, match="/_control/submissions"):
            await fetch_submissions(url)


async def test_no_answer_in_time_is_an_error():
    async with answering(b"200 OK", b"[]", hang=True) as url:
        with pytest.raises(SubmissionsError, match="Timeout"):
            await fetch_submissions(url, timeout_seconds=0.2)
