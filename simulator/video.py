"""Makes real MP4s (H.264, yuv420p, 24 frames per second) that show a prompt, at next to no cost.

A video is one picture that carries the prompt, and then 24 frames per second in which only the band
at the bottom moves. All are encoded in four slices, and no slice looks at another one, so those
further frames do not depend on the prompt: they are encoded once per size and then reused for every
video. What is left per video is to draw and encode one picture (13 ms of CPU at 720p, 19 ms at
1080p, measured).
"""

from __future__ import annotations

import functools
import hashlib
import io
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from PIL import Image, ImageDraw

from simulator.picture import FPS, blank_picture, draw_band, prompt_picture

# Frames are prepared for clips of up to 8 s, which is Veo's longest, and only where a longer one is
# asked for up to 12 s, which is the longest of any provider served here.
DURATIONS_PREPARED = (8, 12)
DURATION_SECONDS_MAX = DURATIONS_PREPARED[-1]
# Bytes of finished videos kept: about 400 of them at 40 to 150 kB.
CACHE_BYTES_MAX = 32 * 2**20
# Sizes and durations whose moving frames are kept: 720p and 1080p, lying and standing; 40 to 100 kB
# each.
PREPARED_SIZES_MAX = 8

SLICES = 4
MACROBLOCK = 16
# AV_CODEC_FLAG_GLOBAL_HEADER: parameter sets go in front of the stream, not into the frames.
_GLOBAL_HEADER = 1 << 22
# A fixed quantiser: with rate control, a frame would depend on the prompt in those before it.
_X264 = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "qp": "28",
    "x264-params": (
        f"slices={SLICES}:sliced-threads=0:threads=1:keyint=infinite:scenecut=0:no-deblock=1"
    ),
}
_NEUTRAL_CHROMA = 128


@dataclass(frozen=True, slots=True)
class Clip:
    """What a video shows. `caption` is the small line above the prompt."""

    prompt: str
    duration_seconds: int
    width: int
    height: int
    caption: str = ""


class ClipCache:
    """Renders clips, and keeps the latest ones up to a number of bytes. One thread at a time."""

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes_kept = 0
        self._videos: OrderedDict[Clip, bytes] = OrderedDict()

    def video(self, clip: Clip) -> bytes:
        """Return the MP4 of a clip, from memory if it was asked for before."""
        video = self._videos.pop(clip, None)
        if video is None:
            video = render(clip)
            self._bytes_kept += len(video)
        self._videos[clip] = video
        while self._bytes_kept > self._bytes_max:
            _, dropped = self._videos.popitem(last=False)
            self._bytes_kept -= len(dropped)
        return video


def render(clip: Clip) -> bytes:
    """Make the MP4 of a clip.

    Guarantee: the same clip gives the same bytes; its duration is exact.
    """
    assert 0 < clip.duration_seconds <= DURATION_SECONDS_MAX
    size = (clip.width, clip.height)
    band_top = _band_top(clip.height)
    picture = prompt_picture(clip.prompt, clip.caption, size, band_top)
    # 1. One encoded picture with the prompt, 2. the frames that every video of this size shares.
    first = next(_encoded(size, [_frame(picture, band_top, _tint(clip.prompt))]))
    seconds = next(each for each in DURATIONS_PREPARED if clip.duration_seconds <= each)
    moving = _moving_frames(clip.width, clip.height, seconds)[: clip.duration_seconds * FPS - 1]
    return _mp4(size, (first, *moving))


def plain_video(clip: Clip) -> bytes:
    """Make the MP4 of a clip without its words, which only make its bytes its own.

    Guarantee: the same clip gives the same bytes, another clip others; next to no cost per clip.
    """
    words = hashlib.sha256(f"{clip.prompt}\n{clip.caption}".encode(errors="surrogatepass")).digest()
    # A box that players pass over (ISO 14496-12, `free`).
    box = (8 + len(words)).to_bytes(4) + b"free" + words
    return _wordless(clip.duration_seconds, clip.width, clip.height) + box


@functools.lru_cache(maxsize=PREPARED_SIZES_MAX * len(DURATIONS_PREPARED))
def _wordless(seconds: int, width: int, height: int) -> bytes:
    return render(Clip("", seconds, width, height))


def _band_top(height: int) -> int:
    """Return where the last slice begins, by the sum that x264 does; a test pins it."""
    rows = -(-height // MACROBLOCK)
    return (rows * (SLICES - 1) + SLICES // 2) // SLICES * MACROBLOCK


def _tint(prompt: str) -> tuple[int, int]:
    """Choose the two colour values of a background, so that neighbours in a list look different."""
    digest = zlib.crc32(prompt.encode())
    return 108 + digest % 41, 108 + digest // 41 % 41


@functools.lru_cache(maxsize=PREPARED_SIZES_MAX)
def _moving_frames(width: int, height: int, seconds: int) -> tuple[bytes, ...]:
    """Encode all frames but the first: nothing above the band changes, whatever stands there."""
    size, band_top = (width, height), _band_top(height)
    picture = blank_picture(size, band_top)
    draw = ImageDraw.Draw(picture)

    def frames() -> Iterator[av.VideoFrame]:
        for number in range(seconds * FPS):
            draw_band(draw, size, band_top, frame=number)
            yield _frame(picture, band_top, (_NEUTRAL_CHROMA, _NEUTRAL_CHROMA))

    return tuple(_encoded(size, frames()))[1:]


def _frame(luma: Image.Image, band_top: int, tint: tuple[int, int]) -> av.VideoFrame:
    frame = av.VideoFrame(luma.width, luma.height, "yuv420p")
    brightness, *colours = frame.planes
    # A plane's rows may be longer than the picture is wide; what stands there is never shown.
    if brightness.line_size != luma.width:
        luma = luma.crop((0, 0, brightness.line_size, luma.height))
    brightness.update(luma.tobytes())
    for plane, value in zip(colours, tint, strict=True):
        above = band_top // 2 * plane.line_size
        below = plane.buffer_size - above
        plane.update(bytes([value]) * above + bytes([_NEUTRAL_CHROMA]) * below)
    return frame


def _encoded(size: tuple[int, int], frames: Iterable[av.VideoFrame]) -> Iterator[bytes]:
    encoder = _configured(av.CodecContext.create("libx264", "w"), size)
    encoder.time_base = Fraction(1, FPS)
    encoder.framerate = Fraction(FPS)
    encoder.flags |= _GLOBAL_HEADER
    for number, frame in enumerate(frames):
        frame.pts = number
        for packet in encoder.encode(frame):
            yield bytes(packet)
    for packet in encoder.encode(None):
        yield bytes(packet)


def _configured(encoder: av.VideoCodecContext, size: tuple[int, int]) -> av.VideoCodecContext:
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.options = _X264
    encoder.thread_count = 1
    return encoder


def _mp4(size: tuple[int, int], frames: tuple[bytes, ...]) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        # This encoder is opened for its parameter sets only; they equal those of the frames.
        stream = container.add_stream("libx264", rate=FPS, options=_X264)
        _configured(stream.codec_context, size)
        stream.codec_context.time_base = Fraction(1, FPS)
        for number, data in enumerate(frames):
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = Fraction(1, FPS)
            packet.pts = packet.dts = number
            packet.is_keyframe = number == 0
            container.mux(packet)
    return file.getvalue()
