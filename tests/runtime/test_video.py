"""What passes for a video: S0-60, I21."""

import pytest

from runtime import video
from runtime.video import NotAVideo, VideoFacts, inspect
from tests.runtime.videos import box, mp4, mp4_of_bytes, sound_only

WHOLE = mp4()
INDEX_FIRST = mp4(index_first=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.mp4"


@pytest.mark.parametrize("content", [WHOLE, INDEX_FIRST, WHOLE + box(b"free", bytes(9))])
async def test_the_facts_of_a_video_are_read_from_its_bytes(path, content):
    path.write_bytes(content)
    assert await inspect(path) == VideoFacts(1000, 64, 48, 24.0)


async def test_a_single_frame_is_a_video_too(path):
    path.write_bytes(mp4_of_bytes(1000))
    assert await inspect(path) == VideoFacts(42, 16, 16, 24.0)


async def test_a_box_that_goes_on_to_the_end_and_one_with_a_long_size_are_whole(path):
    long_size = (1).to_bytes(4) + b"free" + (20).to_bytes(8) + bytes(4)
    path.write_bytes(WHOLE + long_size + (0).to_bytes(4) + b"free" + bytes(100))
    assert (await inspect(path)).duration_ms == 1000


PICTURES_AT = INDEX_FIRST.index(b"mdat") + 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no index"),
        (b"mp4", "no MP4"),
        (b"<!doctype html>" * 400, "no MP4"),
        (bytes(5000), "no MP4"),
        (b"\x89PNG\r\n\x1a\n" * 400, "no MP4"),
        (mp4(form="mov"), "no MP4"),
        (mp4(form="avi"), "no MP4"),
        (mp4(form="matroska"), "no MP4"),
        (WHOLE[:-1], "cut short"),
        (INDEX_FIRST[:-1], "cut short"),
        (WHOLE + b"more", "cut short"),
        (WHOLE + (1).to_bytes(4) + b"free", "no MP4"),
        (box(b"ftyp", b"isom"), "no index"),
        (box(b"ftyp", b"isom") + box(b"moov"), "decoded"),
        (sound_only(), "no picture"),
        (INDEX_FIRST[:PICTURES_AT] + bytes(len(INDEX_FIRST) - PICTURES_AT), "decoded"),
    ],
)
async def test_what_cannot_be_played_is_no_video_and_the_reason_is_told(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(NotAVideo, match=reason):
        await inspect(path)


async def test_the_index_may_not_fill_the_memory(path, monkeypatch):
    path.write_bytes(WHOLE)
    monkeypatch.setattr(video, "INDEX_BYTES_MAX", 100)
    with pytest.raises(NotAVideo, match="index is too large"):
        await inspect(path)


async def test_one_picture_may_not_fill_the_memory(path, monkeypatch):
    path.write_bytes(WHOLE)
    monkeypatch.setattr(video, "PIXELS_MAX", 64)
    with pytest.raises(NotAVideo):
        await inspect(path)


async def test_a_file_of_endless_small_boxes_is_given_up(path, monkeypatch):
    path.write_bytes(WHOLE + box(b"free") * 20)
    monkeypatch.setattr(video, "BOXES_MAX", 10)
    with pytest.raises(NotAVideo, match="too many parts"):
        await inspect(path)


async def test_no_byte_that_was_changed_on_the_way_raises_anything_else(path):
    """Each eighth byte of the index and the pictures' headers is broken in turn."""
    for place in range(0, len(WHOLE), 8):
        path.write_bytes(WHOLE[:place] + b"\xff" + WHOLE[place + 1 :])
        try:
            facts = await inspect(path)
        except NotAVideo:
            continue
        assert facts.duration_ms >= 1
        assert facts.frames_per_second > 0


async def test_a_file_that_is_not_there_is_no_verdict_on_a_video(path):
    with pytest.raises(FileNotFoundError):
        await inspect(path)
