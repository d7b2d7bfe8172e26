"""The files that generations left behind: rendered at their first download, spoiled by faults."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from simulator.faults import DOWNLOAD_KINDS, FaultKind
from simulator.operations import Operation
from simulator.video import Clip, ClipCache, plain_video

TINY_BYTES = 999
# An expired link works again at the third download: a client that tries three times gets through.
EXPIRED_DOWNLOADS = 2
VIDEO_TYPE = "video/mp4"
# Longer than a file that is refused for its size alone, so that its kind has to be noticed.
_PAGE = (
    "<!doctype html>\n<html><head><title>Sign in</title></head>\n<body>\n"
    + "<p>Your session has ended. Sign in again to go on.</p>\n" * 40
    + "</body></html>\n"
).encode()


@dataclass(frozen=True, slots=True)
class Download:
    body: bytes
    media_type: str


@dataclass(slots=True)
class _StoredFile:
    clip: Clip
    fault: FaultKind | None
    faulty_downloads: int | None
    downloads: int = 0
    announced: bool = False


class FileStore:
    """Files by id. Rendering runs beside the event loop, one clip at a time."""

    def __init__(self, *, plain_videos: bool = False) -> None:
        self._files: dict[str, _StoredFile] = {}
        self._plain_videos = plain_videos
        self._clips = ClipCache()
        self._renderer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="renderer")

    def add(self, operation: Operation) -> None:
        """Take in the files of an operation; nothing is rendered yet."""
        fault = operation.fault if operation.fault in DOWNLOAD_KINDS else None
        for file_id in operation.file_ids:
            self._files[file_id] = _StoredFile(operation.clip, fault, operation.faulty_downloads)

    async def download(self, file_id: str) -> Download | None:
        """Return what a download of this file brings; None if there is no such file (any more)."""
        file = self._files.get(file_id)
        if file is None:
            return None
        return await self._delivered(file, self._fault_of_next_download(file))

    async def inline(self, file_id: str) -> Download | None:
        """Return the file for an answer that says in one that it is done and what came of it.

        The first such answer is not counted as a download: a client may read there only that the
        file is ready, and ask again to get it. No link can have expired by then.
        """
        file = self._files.get(file_id)
        if file is None or file.announced:
            return await self.download(file_id)
        file.announced = True
        fault = None if file.fault is FaultKind.EXPIRED_LINK else file.fault
        return await self._delivered(file, fault)

    def close(self) -> None:
        """Stop rendering."""
        self._renderer.shutdown(cancel_futures=True)

    async def _delivered(self, file: _StoredFile, fault: FaultKind | None) -> Download | None:
        if fault is FaultKind.EXPIRED_LINK:
            return None
        if fault is FaultKind.HTML_DOWNLOAD:
            return Download(_PAGE, "text/html; charset=utf-8")
        return Download(_spoiled(await self._video(file.clip), fault), VIDEO_TYPE)

    async def _video(self, clip: Clip) -> bytes:
        if self._plain_videos:
            # Cheaper to make than a thread is to ask.
            return plain_video(clip)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._renderer, self._clips.video, clip)

    def _fault_of_next_download(self, file: _StoredFile) -> FaultKind | None:
        file.downloads += 1
        faulty = file.faulty_downloads
        if faulty is None and file.fault is FaultKind.EXPIRED_LINK:
            faulty = EXPIRED_DOWNLOADS
        return file.fault if faulty is None or file.downloads <= faulty else None


def _spoiled(video: bytes, fault: FaultKind | None) -> bytes:
    if fault is FaultKind.TINY_DOWNLOAD:
        return video[:TINY_BYTES]
    if fault is FaultKind.CORRUPT_DOWNLOAD:
        return random.Random(0).randbytes(len(video))  # noqa: S311  noise of the right size
    return video
