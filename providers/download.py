"""A finished video on its way from the provider into our own store, checked before it counts.

It knows no job: its caller writes what became of it to the tape.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from domain.failures import download_failed, storage_failed
from domain.refunds import REFUND_BY_FAILURE
from providers.protocol import FILE_BYTES_MAX, FetchError, Provider
from runtime import metrics
from runtime.logs import logger
from runtime.objects import VIDEO_CONTENT_TYPE, MediaStore, StorageError
from runtime.settings import Settings
from runtime.video import NotAVideo, VideoFacts, inspect
from schemas.failure import Failure
from schemas.generation import StoredMedia

# S0-59: anything smaller is an error page or a stump.
SIZE_BYTES_MIN = 1000
# S0-56: 1, 2, 4 s and so on before the second attempt and those after.
FIRST_WAIT_SECONDS = 1.0
# 1 MiB is gathered before a thread is asked to write it: the only memory that a download takes.
WRITE_BYTES = 1_048_576
# What another attempt cannot mend (S0-82, C17): a category of its own.
_LASTING: frozenset[str] = frozenset({"quota", "permission", "conflict"})

Sleep = Callable[[float], Awaitable[None]]
# Asks the provider for a fresh link; None where it has none to give.
Renew = Callable[[], Awaitable[str | None]]
# Returns if the file is the asker's; raises MediaFailure if it is another's.
Claim = Callable[[], Awaitable[None]]
log = logger(__name__)


async def _unclaimed() -> None:
    """Let a file be anybody's."""


class MediaFailure(Exception):  # noqa: N818  a failure is the domain's word for how a job ends
    """The video did not reach our store, and no more attempts are left."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.details.get('reason')}")
        self.failure = failure


class _CorruptError(Exception):
    """What arrived is not the video."""


_EXPECTED = (StorageError, FetchError, NotAVideo, _CorruptError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Received:
    """A checked file on this machine's disk."""

    size_bytes: int
    sha256: str
    facts: VideoFacts


async def download_video(
    provider: Provider,
    store: MediaStore,
    *,
    source: str,
    object_key: str,
    settings: Settings,
    places: asyncio.Semaphore,
    claim: Claim = _unclaimed,
    renew: Renew | None = None,
    sleep: Sleep = asyncio.sleep,
    size_bytes_max: int = FILE_BYTES_MAX,
) -> StoredMedia:
    """Fetch a finished video into our own store, check it and give its facts.

    Raises: MediaFailure with the job's failure; ValueError for a key that is none, a bug.
    Guarantee: repeatable: a file that an earlier run stored, but did not record, is a success
    even if the provider has dropped its copy (S0-63); no temporary file stays behind. A link
    that has expired is renewed once, and at once. Each attempt takes one of the places, and
    leaves it while it waits for the next.
    Source: S0-54 to S0-65, C16, C17, I21.
    """
    link = _Link(provider, source, renew)
    download = _Download(link, store, object_key, size_bytes_max, claim)
    for attempt in range(1, settings.download_attempts_max + 1):
        if attempt > 1:
            await sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 2))
        try:
            async with places, asyncio.timeout(settings.download_timeout_seconds):
                return await download.stored_media()
        except _EXPECTED as error:
            outcome, failure = _verdict(error, attempt, settings.download_timeout_seconds)
            metrics.downloads.labels(outcome).inc()
            # Without the address, which is not for other eyes.
            reason = failure.details["reason"]
            log.warning("download_attempt_failed", attempt=attempt, outcome=outcome, reason=reason)
            retried = REFUND_BY_FAILURE[failure.category].retry == "download"
            if not retried or attempt == settings.download_attempts_max:
                raise MediaFailure(failure) from error
    raise AssertionError("settings allow one attempt at least")


def _verdict(error: Exception, attempt: int, seconds_max: float) -> tuple[str, Failure]:
    """Name the outcome of a failed attempt, and what the job ends in if it was the last."""
    match error:
        case StorageError():
            lasting = error.kind in _LASTING
            return "storage", storage_failed(error.kind, str(error), attempt, lasting=lasting)
        case TimeoutError():
            return "timeout", download_failed(f"it took longer than {seconds_max:g} s", attempt)
        case FetchError():
            return "fetch", download_failed(str(error), attempt)
        case _:
            return "corrupt", download_failed(str(error), attempt)


class _Link:
    """The provider's reference to the file, which may be too old by now."""

    def __init__(self, provider: Provider, source: str, renew: Renew | None) -> None:
        self._provider, self._source, self._renew = provider, source, renew

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the file; an expired link is renewed, once in its life."""
        async with AsyncExitStack() as stack:
            try:
                chunks = await stack.enter_async_context(self._provider.fetch(self._source))
            except FetchError as error:
                if not error.expired or not await self._renewed():
                    raise
                chunks = await stack.enter_async_context(self._provider.fetch(self._source))
            yield chunks

    async def _renewed(self) -> bool:
        renew, self._renew = self._renew, None
        source = await renew() if renew is not None else None
        self._source = source or self._source
        return source is not None


@dataclass(frozen=True, slots=True)
class _Download:
    """One attempt after the other at the same file."""

    link: _Link
    store: MediaStore
    object_key: str
    size_bytes_max: int
    claim: Claim

    async def stored_media(self) -> StoredMedia:
        """Once it is ours: 1. look whether it is stored, 2. fetch and check it, 3. store it."""
        await self.claim()
        async with _temporary_file() as file:
            received = await self._held(file)  # 1.
            outcome = "already_stored"
            if received is None:
                async with self.link.opened() as chunks:
                    received = await _received(file, chunks, self.size_bytes_max)  # 2.
                await self.store.put(
                    self.object_key, Path(file.name), received.sha256, VIDEO_CONTENT_TYPE
                )
                outcome = "stored"  # 3.
        metrics.downloads.labels(outcome).inc()
        return self._media(received)

    async def _held(self, file: IO[bytes]) -> _Received | None:
        """Check what the store holds already; what fails the check is as good as nothing."""
        if not await self.store.exists(self.object_key):
            return None
        try:
            async with self.store.open(self.object_key) as chunks:
                return await _received(file, chunks, self.size_bytes_max)
        except (NotAVideo, _CorruptError):
            log.exception("stored_video_is_corrupt", object_key=self.object_key)
            return None

    def _media(self, received: _Received) -> StoredMedia:
        return StoredMedia(
            object_key=self.object_key,
            content_type=VIDEO_CONTENT_TYPE,
            size_bytes=received.size_bytes,
            sha256=received.sha256,
            duration_ms=received.facts.duration_ms,
            width_pixels=received.facts.width_pixels,
            height_pixels=received.facts.height_pixels,
            frames_per_second=received.facts.frames_per_second,
        )


async def _received(
    file: IO[bytes], chunks: AsyncIterator[bytes], size_bytes_max: int
) -> _Received:
    """Write a stream to disk, hashing on the way, and inspect what arrived."""
    await _on_disk(file.truncate, 0)
    await _on_disk(file.seek, 0)
    digest, size_bytes, gathered = hashlib.sha256(), 0, bytearray()

    def write(part: bytearray) -> None:
        digest.update(part)
        file.write(part)

    async for chunk in chunks:
        size_bytes += len(chunk)
        if size_bytes > size_bytes_max:
            raise _CorruptError(f"it has more than {size_bytes_max} bytes")
        gathered += chunk
        if len(gathered) >= WRITE_BYTES:
            await _on_disk(write, gathered)
            gathered = bytearray()
    await _on_disk(write, gathered)
    if size_bytes < SIZE_BYTES_MIN:
        raise _CorruptError(f"it has {size_bytes} bytes, fewer than {SIZE_BYTES_MIN}")
    await _on_disk(file.flush)
    try:
        facts = await inspect(Path(file.name))
    except OSError as error:
        raise StorageError.of(error) from error
    return _Received(size_bytes, digest.hexdigest(), facts)


@asynccontextmanager
async def _temporary_file() -> AsyncIterator[IO[bytes]]:
    """Open a file that is gone afterwards, in the folder that TMPDIR names."""
    try:
        file = tempfile.NamedTemporaryFile(prefix="tapeworks-", suffix=".mp4")  # noqa: SIM115  closed below, in a thread
    except OSError as error:
        raise StorageError.of(error) from error
    try:
        yield file
    finally:
        # Closing removes it, and waits for a write that a deadline left behind. What it cannot
        # write any more nobody reads any more.
        with suppress(OSError):
            await asyncio.to_thread(file.close)


async def _on_disk(step: Callable[..., Any], *arguments: object) -> None:
    """Take one step that may wait for the disk, in a thread; a full disk is a storage error."""
    try:
        await asyncio.to_thread(step, *arguments)
    except OSError as error:
        raise StorageError.of(error) from error
