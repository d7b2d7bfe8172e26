"""Small real files to show to whatever checks videos."""

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

_BOX_HEADER_BYTES = 8


def mp4(
    *,
    frames: int = 24,
    size: tuple[int, int] = (64, 48),
    form: str = "mp4",
    index_first: bool = False,
) -> bytes:
    """Make a video of 24 frames per second; `index_first` puts the index before the pictures."""
    options = {"fflags": "bitexact", **({"movflags": "faststart"} if index_first else {})}
    # On disk: the muxer reads the file again to put the index first.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format=form, options=options) as container:
            stream: Any = container.add_stream("mpeg4", rate=24)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                frame: Any = av.VideoFrame(*size, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes([number % 256]) * plane.buffer_size)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def mp4_of_bytes(size_bytes: int) -> bytes:
    """Make a video of exactly that size, filled up by a box that players pass over."""
    video = mp4(frames=1, size=(16, 16))
    spare_bytes = size_bytes - len(video)
    assert spare_bytes >= _BOX_HEADER_BYTES, f"the smallest video has {len(video)} bytes"
    return video + box(b"free", bytes(spare_bytes - _BOX_HEADER_BYTES))


def box(kind: bytes, content: bytes = b"") -> bytes:
    """Make one box of an MP4."""
    return (_BOX_HEADER_BYTES + len(content)).to_bytes(4) + kind + content


def sound_only() -> bytes:
    """Make an MP4 that has a second of silence and no picture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        with av.open(str(path), "w", format="mp4") as container:
            stream: Any = container.add_stream("aac", rate=48_000)
            for number in range(47):
                frame: Any = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                frame.planes[0].update(bytes(frame.planes[0].buffer_size))
                frame.pts, frame.sample_rate = number * 1024, 48_000
                frame.time_base = Fraction(1, 48_000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()
