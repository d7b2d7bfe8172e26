"""The media store in a folder."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from runtime.object_keys import checked_key
from runtime.storage import CHUNK_BYTES, VIDEO_CONTENT_TYPE, StorageError

# The store's own user writes, its group (the ingress) reads.
_FILE_MODE, _FOLDER_MODE = 0o640, 0o750


class FileMediaStore:
    """Files in a folder; content types are not kept, they follow from the key.

    Raises: OSError at start, if the folder neither exists nor can be made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        self._folder = folder

    def path(self, object_key: str) -> Path:
        """Give where a file is or would be, for a server that sends files itself."""
        return self._folder / checked_key(object_key)

    async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
        """Store a local file under a key, whole or not at all; see MediaStore."""
        if content_type != VIDEO_CONTENT_TYPE:
            raise ValueError(f"the store takes {VIDEO_CONTENT_TYPE} alone")
        target = self.path(object_key)
        try:
            await asyncio.to_thread(self._put, target, source, sha256)
        except OSError as error:
            raise StorageError.of(error) from error

    async def claimed(self, object_key: str, owner: str) -> str:
        """Write down an owner under a key that has none, and give the one that it has."""
        target = self.path(object_key)
        try:
            return await asyncio.to_thread(self._claimed, target, owner)
        except OSError as error:
            raise StorageError.of(error) from error

    async def size_bytes(self, object_key: str) -> int | None:
        """Give the size of a stored file; None if there is none."""
        path = self.path(object_key)
        try:
            return (await asyncio.to_thread(path.stat)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError.of(error) from error

    async def exists(self, object_key: str) -> bool:
        """Tell whether there is a file under a key."""
        return await self.size_bytes(object_key) is not None

    def open(
        self, object_key: str, first: int = 0, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a range of a stored file as a stream; see MediaStore."""
        return _opened(self.path(object_key), first, after)

    async def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _claimed(self, target: Path, owner: str) -> str:
        target.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        aside = target.parent / f".{token_hex(16)}.part"
        try:
            if not target.exists():
                aside.touch(mode=_FILE_MODE)
                aside.write_text(owner)
                _linked(aside, target)
            return target.read_text()
        finally:
            aside.unlink(missing_ok=True)

    def _put(self, target: Path, source: Path, sha256: str) -> None:
        """1. Write aside in the same folder, 2. link into place, 3. have the disk keep it."""
        target.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
        # A name that is no key, and no one else's: a crash leaves at most this.
        aside = target.parent / f".{token_hex(16)}.part"
        try:
            held = target.exists()
            if not held:
                _copy(source, aside, sha256)  # 1.
                held = not _linked(aside, target)  # 2.
            if held and _sha256_of(target) != sha256:
                raise StorageError("conflict", "the key holds another file, which stays")
        finally:
            aside.unlink(missing_ok=True)
        for folder in target.relative_to(self._folder).parents:  # 3.
            _sync_folder(self._folder / folder)


def _copy(source: Path, aside: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with open(descriptor, "wb") as target, source.open("rb") as read:  # noqa: PTH123  a descriptor, opened with its own mode
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
        target.flush()
        os.fsync(descriptor)
    if digest.hexdigest() != sha256:
        raise StorageError("other", "the file is not the one that was checked")


def _linked(aside: Path, target: Path) -> bool:
    """Put the file into place; not if another put was faster."""
    try:
        target.hardlink_to(aside)
    except FileExistsError:
        return False
    return True


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _opened(path: Path, first: int, after: int | None) -> AsyncIterator[AsyncIterator[bytes]]:
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise StorageError.of(error) from error
    try:
        async with aclosing(_chunks(file, first, after)) as chunks:
            yield chunks
    finally:
        # In a thread: closing waits for a read that a cancellation left behind.
        await asyncio.to_thread(file.close)


async def _chunks(file: BinaryIO, first: int, after: int | None) -> AsyncGenerator[bytes, None]:
    at = first
    try:
        await asyncio.to_thread(file.seek, first)
        while after is None or at < after:
            bytes_max = CHUNK_BYTES if after is None else min(CHUNK_BYTES, after - at)
            chunk = await asyncio.to_thread(file.read, bytes_max)
            if not chunk:
                return
            at += len(chunk)
            yield chunk
    except OSError as error:
        raise StorageError.of(error) from error
