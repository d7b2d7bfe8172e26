"""What a file that claims to be a video really is: an MP4, whole, whose picture can be decoded.

It trusts neither the name nor the content type, and reads as little as the answer needs.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

# 64 MiB: the index of hours of video is a few MiB; the demuxer holds it in memory.
INDEX_BYTES_MAX = 64 * 2**20
# 8K video has 33 million pixels; a decoded picture of the limit takes 60 MB.
PIXELS_MAX = 40_000_000
# A fragmented MP4 has two boxes per fragment: hours of them.
BOXES_MAX = 100_000
# Codecs look at this much to learn what the index does not say.
_PROBE_BYTES_MAX = 5 * 2**20
_HEADER_BYTES, _LONG_SIZE_BYTES = 8, 8
_QUICKTIME = b"qt  "


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a video is, read from the file itself; the size is the decoded picture's."""

    duration_ms: int
    width_pixels: int
    height_pixels: int
    frames_per_second: float


class NotAVideo(Exception):  # noqa: N818  it is what the file is, rather than what went wrong
    """The file is no MP4 that can be played; the text says why, in words free of its content."""


async def inspect(path: Path) -> VideoFacts:
    """Read the facts of an MP4, in a thread.

    Raises: NotAVideo; OSError if the file cannot be read at all.
    Guarantee: memory is bounded by the index and one picture, whatever the file's size.
    Source: S0-60, I21; ISO 14496-12 (boxes).
    """
    return await asyncio.to_thread(_inspect, path)


def _inspect(path: Path) -> VideoFacts:
    with path.open("rb") as file:
        _check_boxes(file, path.stat().st_size)
        file.seek(0)
        options = {"probesize": str(_PROBE_BYTES_MAX)}
        try:
            with av.open(file, "r", "mp4", options=options, metadata_errors="ignore") as container:
                return _facts(container)
        except av.error.FFmpegError as error:
            raise NotAVideo(f"it cannot be decoded: {type(error).__name__}") from error


def _check_boxes(file: BinaryIO, size_bytes: int) -> None:
    """Walk the outermost boxes: a file that was cut ends inside one."""
    kinds: list[bytes] = []
    for kind, first, after in _boxes(file, size_bytes):
        if not kinds and (kind != b"ftyp" or _brand(file, first) == _QUICKTIME):
            raise NotAVideo("it is no MP4")
        if after > size_bytes:
            raise NotAVideo("it is cut short")
        if kind == b"moov" and after - first > INDEX_BYTES_MAX:
            raise NotAVideo("its index is too large")
        kinds.append(kind)
        if len(kinds) > BOXES_MAX:
            raise NotAVideo("it has too many parts")
    if b"moov" not in kinds:
        raise NotAVideo("it has no index")


def _boxes(file: BinaryIO, size_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Give kind, start and end of each outermost box."""
    first = 0
    while first < size_bytes:
        file.seek(first)
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES:
            raise NotAVideo("it is no MP4" if first == 0 else "it is cut short")
        size, kind = int.from_bytes(header[:4]), header[4:]
        smallest = _HEADER_BYTES
        if size == 1:  # The real size follows in 64 bits.
            size = int.from_bytes(file.read(_LONG_SIZE_BYTES))
            smallest += _LONG_SIZE_BYTES
        elif size == 0:  # The box goes on to the end of the file.
            size = max(size_bytes - first, smallest)
        if size < smallest:
            raise NotAVideo("it is no MP4")
        yield kind, first, first + size
        first += size


def _brand(file: BinaryIO, first: int) -> bytes:
    file.seek(first + _HEADER_BYTES)
    return file.read(len(_QUICKTIME))


def _facts(container: Any) -> VideoFacts:  # noqa: ANN401  av ships no types
    if not container.streams.video:
        raise NotAVideo("it has no picture")
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None:
        raise NotAVideo("its codec is unknown")
    context.thread_count = 1
    # The codec refuses a larger picture before it takes memory for one.
    context.options = {"max_pixels": str(PIXELS_MAX)}
    frame = next(container.decode(stream), None)
    if frame is None:
        raise NotAVideo("it has no picture that can be decoded")
    duration_ms = _duration_ms(container, stream)
    frames_per_second = round(float(stream.average_rate or stream.guessed_rate or 0), 3)
    if duration_ms < 1 or frames_per_second <= 0:
        raise NotAVideo("it has no length")
    return VideoFacts(duration_ms, int(frame.width), int(frame.height), frames_per_second)


def _duration_ms(container: Any, stream: Any) -> int:  # noqa: ANN401  av ships no types
    if stream.duration is not None and stream.time_base is not None:
        return round(Fraction(stream.duration) * Fraction(stream.time_base) * 1000)
    # In microseconds (AV_TIME_BASE).
    return round(int(container.duration or 0) / 1000)
