"""The media store: finished files under keys, written once, read in ranges.

It knows nothing of jobs or providers, and never replaces a file.
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Literal, Protocol, Self
from urllib.parse import unquote

from runtime.object_keys import checked_key, object_key, operation_key
from runtime.settings import Settings

__all__ = [
    "CACHE_SECONDS",
    "VIDEO_CONTENT_TYPE",
    "FileMediaStore",
    "MediaStore",
    "StorageError",
    "checked_key",
    "object_key",
    "open_media_store",
    "operation_key",
]

# S0-62: a year; a stored file never changes. Whatever serves a file says so.
CACHE_SECONDS = 31_536_000
VIDEO_CONTENT_TYPE = "video/mp4"
# 1 MiB at a time: few system calls, little memory per reader.
CHUNK_BYTES = 1_048_576
# The store's own user writes, its group (the ingress) reads.
_FILE_MODE, _FOLDER_MODE = 0o640, 0o750

StorageErrorKind = Literal["quota", "permission", "conflict", "missing", "other"]
_KIND_BY_ERRNO: dict[int | None, StorageErrorKind] = {
    errno.ENOSPC: "quota",
    errno.EDQUOT: "quota",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.EROFS: "permission",
    errno.ENOENT: "missing",
}


class StorageError(Exception):
    """The store did not do what was asked; `kind` is stable, the text is for people.

    `other` may pass; `quota` and `permission` need an operator; `conflict` is another file under
    the same key; `missing` is none. The text never holds a path of the machine.
    """

    def __init__(self, kind: StorageErrorKind, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind

    @classmethod
    def of(cls, error: OSError) -> Self:
        """Make one of what the operating system says."""
        name = errno.errorcode.get(error.errno or 0, "no code")
        kind = _KIND_BY_ERRNO.get(error.errno, "other")
        return cls(kind, f"{error.strerror or type(error).__name__} ({name})")


class MediaStore(Protocol):
    """Where finished files live.

    Raises: ValueError for a key that is none, before anything is touched; else StorageError.
    """

    async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
        """Store a local file under a key, whole or not at all.

        Raises: StorageError; `conflict` if the key holds other content.
        Guarantee: never overwrites; a key that holds this content already is a success (S0-63);
        once it returns, the file outlives a crash of the machine.
        """
        ...

    async def claimed(self, object_key: str, owner: str) -> str:
        """Write down an owner under a key that has none, and give the one that it has.

        Raises: StorageError.
        Guarantee: of claims at the same time one wins, and all are told which; repeatable.
        """
        ...

    async def size_bytes(self, object_key: str) -> int | None:
        """Give the size of a stored file; None if there is none."""
        ...

    async def exists(self, object_key: str) -> bool:
        """Tell whether there is a file under a key."""
        ...

    def open(
        self, object_key: str, first: int = 0, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open the bytes from `first` up to but without `after` as a stream; None is the end.

        Raises: StorageError, `missing` if there is no such file.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


def open_media_store(settings: Settings) -> MediaStore:
    """Open the store that OBJECT_STORE_URL names.

    Raises: ValueError at start, naming the variable and what is wrong with it.
    """
    scheme, _, rest = settings.object_store_url.partition("://")
    if scheme == "s3":
        # Here, not above: a store in a folder need not wait half a second for the AWS libraries.
        from runtime.objects_s3 import S3MediaStore  # noqa: PLC0415

        try:
            return S3MediaStore.at(rest, settings)
        except ValueError as error:
            raise ValueError(f"OBJECT_STORE_URL must be s3://bucket[/prefix]: {error}") from error
    # Not a URL parser: it would end the path at a `#` or `?`, which a folder may hold.
    folder = unquote(rest.removeprefix("localhost"))
    if scheme != "file" or not folder.startswith("/"):
        raise ValueError("OBJECT_STORE_URL must be file:///absolute/folder or s3://bucket[/prefix]")
    try:
        return FileMediaStore(Path(folder))
    except OSError as error:
        raise ValueError(f"OBJECT_STORE_URL: {error}") from error


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
