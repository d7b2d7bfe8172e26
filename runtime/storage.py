"""What any media store promises and how it fails."""

import errno
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol, Self

# S0-62: a year; a stored file never changes. Whatever serves a file says so.
CACHE_SECONDS = 31_536_000
VIDEO_CONTENT_TYPE = "video/mp4"
# 1 MiB at a time: few system calls, little memory per reader.
CHUNK_BYTES = 1_048_576

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
