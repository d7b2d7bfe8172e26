"""Whatever size or pace a provider's file has, a download takes bounded time and little memory."""

import asyncio
import gzip
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from providers.download import MediaFailure, download_video
from providers.protocol import FILE_BYTES_MAX
from runtime.objects import FileMediaStore, MediaStore
from tests.providers.scripted_server import Reply, answer
from tests.runtime.videos import box, mp4

LARGE_BYTES = 128 * 2**20
# 48 MiB: what is gathered, one part of an S3 upload and its copies on the way; not the file.
MEMORY_BYTES_MAX = 48 * 2**20
KEY = "ada/videos/operation-1.mp4"
PIECE = bytes(2**20)


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start(1)
    try:
        yield
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < MEMORY_BYTES_MAX


def chunked(first: bytes, pieces: int | None) -> Reply:
    """Send a body in chunks without saying how long it is; without a number it never ends."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(first))
        sent = 0
        while pieces is None or sent < pieces:
            writer.write(_chunk(PIECE))
            await writer.drain()
            sent += 1
        writer.write(b"0\r\n\r\n")

    return reply


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "folder":
        return FileMediaStore(tmp_path / "media")
    return request.getfixturevalue("bucket").store


async def fetched(veo, store, settings, **changes):
    async def at_once(_: float) -> None: ...

    bounds = {"download_timeout_seconds": 60, "download_attempts_max": 1}
    return await download_video(
        veo,
        store,
        source="files/x1",
        object_key=KEY,
        settings=settings.model_copy(update=bounds),
        places=asyncio.Semaphore(1),
        sleep=at_once,
        **changes,
    )


async def test_128_mib_pass_through_little_memory_into_the_store_and_out_of_it(
    veo, server, store, settings
):
    """Both ways, and into both kinds of store."""
    # A video, filled up by one box that players pass over.
    head = mp4() + box(b"free", b"")
    head = head[:-8] + (8 + LARGE_BYTES).to_bytes(4) + b"free"
    server.replies(chunked(head, LARGE_BYTES // len(PIECE)))
    with little_memory():
        media = await fetched(veo, store, settings)
    assert media.size_bytes == len(head) + LARGE_BYTES
    digest = sha256()
    with little_memory():
        async with store.open(KEY) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
    assert digest.hexdigest() == media.sha256


async def test_a_body_that_never_ends_is_given_up_at_its_largest_size(
    veo, server, tmp_path, settings
):
    """torture.md row 27."""
    server.replies(chunked(mp4(), None))
    with little_memory(), pytest.raises(MediaFailure, match="more than 67108864 bytes"):
        await fetched(veo, FileMediaStore(tmp_path / "media"), settings, size_bytes_max=64 * 2**20)


async def test_3_gib_are_refused_before_a_byte_of_them_is_read(veo, server, tmp_path, settings):
    """torture.md row 27."""

    async def announced(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (3 * 2**30))
        await writer.drain()
        await asyncio.Event().wait()

    server.replies(announced)
    async with asyncio.timeout(10):
        with pytest.raises(MediaFailure, match=f"3221225472 bytes, more than {FILE_BYTES_MAX}"):
            await fetched(veo, FileMediaStore(tmp_path / "media"), settings)


async def test_a_gzip_bomb_is_not_unpacked(veo, server, tmp_path, settings):
    """torture.md row 27."""
    bomb = gzip.compress(bytes(64 * 2**20))
    server.replies(answer(200, bomb, Content_Encoding="gzip"))
    with little_memory(), pytest.raises(MediaFailure, match="encoded"):
        await fetched(veo, FileMediaStore(tmp_path / "media"), settings)
