"""The media store in a bucket of S3, or of whatever speaks its language.

It never replaces an object: every write is conditional, so the store itself decides a race.
"""

import asyncio
import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from runtime.logs import logger
from runtime.object_keys import checked_key
from runtime.s3_calls import READ_SECONDS_MAX, S3Connection, error_kind, error_status, s3_call
from runtime.settings import Settings
from runtime.storage import CACHE_SECONDS, CHUNK_BYTES, VIDEO_CONTENT_TYPE, StorageError

# 8 MiB: one part is the memory that a put takes. 10000 parts, S3's limit, hold 78 GiB.
PART_BYTES = 8 * 2**20
# 15 minutes: 2 GiB, the largest download, at 20 Mbit/s.
PUT_SECONDS_MAX = 900.0
# 30 s until a store says what it holds: someone may be waiting for the answer.
ANSWER_SECONDS_MAX = 30.0
# 10 s: a cancelled put must not hold up a worker's end for longer.
ABORT_SECONDS_MAX = 10.0
# 1024 bytes: S3's limit; a key is ASCII.
_NAME_CHARACTERS_MAX = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# The object's own word for what it holds: a multipart upload's checksum is not that of the whole.
_SHA256_FIELD = "sha256"
_HTTP_RANGE_NOT_SATISFIABLE = 416
# Someone else's write was first, or an earlier attempt of ours, whose answer was lost.
_OVERTAKEN = frozenset({"conflict", "missing"})

log = logger(__name__)


class S3MediaStore:
    """Objects in one bucket, below a prefix if there is one; see MediaStore.

    Guarantee: an upload in parts that fails is taken back. One whose process was killed stays
    unseen in the bucket, until a lifecycle rule (AbortIncompleteMultipartUpload) removes it.
    Source: S0-61 to S0-63, S0-82, S0-109.
    """

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._encryption = settings.object_store_encryption
        self._connection = S3Connection(settings)
        self._bucket_seen = False

    @classmethod
    def at(cls, location: str, settings: Settings) -> Self:
        """Open `bucket` or `bucket/prefix`.

        Raises: ValueError for a name that no bucket can have, or a prefix that is no key.
        """
        bucket, _, prefix = location.partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise ValueError("not the name of a bucket")
        prefix = prefix.removesuffix("/")
        return cls(bucket, checked_key(prefix) + "/" if prefix else "", settings)

    async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
        """Store a local file under a key, whole or not at all; see MediaStore."""
        if content_type != VIDEO_CONTENT_TYPE:
            raise ValueError(f"the store takes {VIDEO_CONTENT_TYPE} alone")
        name = self._name(object_key)
        try:
            async with s3_call(PUT_SECONDS_MAX):
                await self._put(name, source, sha256)
        except OSError as error:
            raise StorageError.of(error) from error

    async def claimed(self, object_key: str, owner: str) -> str:
        """Write down an owner under a key that has none, and give the one that it has."""
        name = self._name(object_key)
        encryption = self._properties("").get("ServerSideEncryption")
        encrypted = {"ServerSideEncryption": encryption} if encryption else {}
        async with s3_call(ANSWER_SECONDS_MAX):
            client = await self._connection.client()
            try:
                await client.put_object(
                    **self._at(name), **encrypted, Body=owner.encode(), IfNoneMatch="*"
                )
            except ClientError as error:
                if error_kind(error) not in _OVERTAKEN:
                    raise
            body = (await client.get_object(**self._at(name)))["Body"]
            held: bytes = await body.read()
        return held.decode()

    async def size_bytes(self, object_key: str) -> int | None:
        """Give the size of a stored file; None if there is none."""
        name = self._name(object_key)
        async with s3_call(ANSWER_SECONDS_MAX):
            held = await self._head(name)
        return None if held is None else int(held["ContentLength"])

    async def exists(self, object_key: str) -> bool:
        """Tell whether there is a file under a key."""
        return await self.size_bytes(object_key) is not None

    def open(
        self, object_key: str, first: int = 0, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a range of a stored file as a stream; see MediaStore.

        Guarantee: a slow reader costs no memory; each wait for the store is bounded, the whole
        is not, since a reader may take as long as he likes.
        """
        return self._opened(self._name(object_key), first, after)

    async def close(self) -> None:
        """Close connections."""
        await self._connection.close()

    def _name(self, object_key: str) -> str:
        name = self._prefix + checked_key(object_key)
        if len(name) > _NAME_CHARACTERS_MAX:
            raise ValueError("not a key of the media store")
        return name

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": name}

    async def _head(self, name: str) -> dict[str, Any] | None:
        client = await self._connection.client()
        try:
            held: dict[str, Any] = await client.head_object(**self._at(name))
        except ClientError as error:
            if error_kind(error) != "missing":
                raise
            await self._see_bucket()
            return None
        return held

    async def _see_bucket(self) -> None:
        """Make sure, once, that a 404 means the object: HEAD does not say what was not found."""
        if self._bucket_seen:
            return
        client = await self._connection.client()
        try:
            await client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if error_kind(error) != "missing":
                raise
            raise StorageError("permission", "there is no such bucket") from None
        self._bucket_seen = True

    async def _put(self, name: str, source: Path, sha256: str) -> None:
        """1. Look whether it is there, 2. write if not, 3. compare what was there first."""
        held = await self._head(name)  # 1.
        if held is None:
            if await self._written(name, source, sha256):  # 2.
                return
            held = await self._head(name)
        if held is None:
            raise StorageError("other", "another write was under way")
        if await self._sha256_of(name, held) != sha256:  # 3.
            raise StorageError("conflict", "the key holds another file, which stays")

    async def _written(self, name: str, source: Path, sha256: str) -> bool:
        """Write the object; tell if someone else was faster."""
        size_bytes = (await asyncio.to_thread(source.stat)).st_size
        try:
            if size_bytes > PART_BYTES:
                await self._write_parts(name, source, sha256)
            else:
                await self._write_whole(name, source, sha256)
        except ClientError as error:
            if error_kind(error) not in _OVERTAKEN:
                raise
            return False
        return True

    async def _write_whole(self, name: str, source: Path, sha256: str) -> None:
        content = await asyncio.to_thread(source.read_bytes)
        digest = hashlib.sha256(content)
        _check(digest.hexdigest(), sha256)
        client = await self._connection.client()
        await client.put_object(
            **self._at(name),
            **self._properties(sha256),
            Body=content,
            ChecksumSHA256=b64encode(digest.digest()).decode(),
            IfNoneMatch="*",
        )

    async def _write_parts(self, name: str, source: Path, sha256: str) -> None:
        client = await self._connection.client()
        upload = await client.create_multipart_upload(
            **self._at(name), **self._properties(sha256), ChecksumAlgorithm="SHA256"
        )
        target = {**self._at(name), "UploadId": upload["UploadId"]}
        try:
            parts = await _send_parts(client, target, source, sha256)
            await client.complete_multipart_upload(
                **target, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
            )
        except BaseException:
            # Cancelled, too: parts that nobody completes are stored, and paid for, unseen.
            await _abort(client, target)
            raise

    def _properties(self, sha256: str) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "ContentType": VIDEO_CONTENT_TYPE,
            "CacheControl": f"max-age={CACHE_SECONDS}",
            "Metadata": {_SHA256_FIELD: sha256},
        }
        if self._encryption != "none":
            properties["ServerSideEncryption"] = self._encryption
        return properties

    async def _sha256_of(self, name: str, held: dict[str, Any]) -> str:
        stored = held.get("Metadata", {}).get(_SHA256_FIELD)
        if stored is not None:
            return str(stored)
        # Copied here by other means, such as a move from a folder.
        digest = hashlib.sha256()
        async with self._opened(name, 0, None) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
        return digest.hexdigest()

    @asynccontextmanager
    async def _opened(
        self, name: str, first: int, after: int | None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        async with s3_call(ANSWER_SECONDS_MAX):
            body = await self._body(name, first, after)
        try:
            async with aclosing(_chunks(body)) as chunks:
                yield chunks
        finally:
            if body is not None:
                # Ends the connection if bytes are left, rather than reading them all.
                body.close()

    async def _body(self, name: str, first: int, after: int | None) -> Any:  # noqa: ANN401  aiobotocore has no types
        """Begin to read; None if there is nothing in the range."""
        if after is not None and after <= first:
            # HTTP has no empty range.
            if await self._head(name) is None:
                raise StorageError("missing", "there is no such file")
            return None
        last = "" if after is None else str(after - 1)
        ranged = {"Range": f"bytes={first}-{last}"} if first or last else {}
        client = await self._connection.client()
        try:
            return (await client.get_object(**self._at(name), **ranged))["Body"]
        except ClientError as error:
            if error_status(error) != _HTTP_RANGE_NOT_SATISFIABLE:
                raise
            return None


async def _send_parts(
    client: Any,  # noqa: ANN401  botocore makes its clients' classes at run time
    target: dict[str, str],
    source: Path,
    sha256: str,
) -> list[dict[str, Any]]:
    """Send one part after the other; give what completing them needs."""
    whole = hashlib.sha256()
    parts: list[dict[str, Any]] = []
    file = await asyncio.to_thread(source.open, "rb")
    try:
        while content := await asyncio.to_thread(file.read, PART_BYTES):
            await asyncio.to_thread(whole.update, content)
            checksum = b64encode(hashlib.sha256(content).digest()).decode()
            part = {"PartNumber": len(parts) + 1, "ChecksumSHA256": checksum}
            sent = await client.upload_part(**target, **part, Body=content)
            parts.append({**part, "ETag": sent["ETag"]})
    finally:
        # In a thread: closing waits for a read that a cancellation left behind.
        await asyncio.to_thread(file.close)
    _check(whole.hexdigest(), sha256)
    return parts


async def _abort(client: Any, target: dict[str, str]) -> None:  # noqa: ANN401  see _send_parts
    try:
        async with s3_call(ABORT_SECONDS_MAX):
            await client.abort_multipart_upload(**target)
    except StorageError as error:
        # `missing`: it was completed, and only the answer was lost.
        if error.kind != "missing":
            log.warning("parts_of_an_upload_stay", reason=str(error))


def _check(found: str, sha256: str) -> None:
    if found != sha256:
        raise StorageError("other", "the file is not the one that was checked")


async def _chunks(body: Any) -> AsyncGenerator[bytes, None]:  # noqa: ANN401  aiobotocore has no types
    while body is not None:
        async with s3_call(READ_SECONDS_MAX):
            chunk: bytes = await body.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk
