"""What the tests of every media store put in and read back."""

from hashlib import sha256
from pathlib import Path

from runtime.objects import VIDEO_CONTENT_TYPE, MediaStore

KEY = "ada/videos/operation-1.mp4"
CONTENT = bytes(range(256)) * 10_000
DIGEST = sha256(CONTENT).hexdigest()


async def put(store: MediaStore, source: Path, key: str = KEY) -> None:
    digest = sha256(source.read_bytes()).hexdigest()  # noqa: ASYNC240  a small file of the test
    await store.put(key, source, digest, VIDEO_CONTENT_TYPE)


async def read(store: MediaStore, first: int = 0, after: int | None = None) -> bytes:
    async with store.open(KEY, first, after) as chunks:
        return b"".join([chunk async for chunk in chunks])
