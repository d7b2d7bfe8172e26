"""The videos: real, exact, and each with its own prompt."""

import io
from fractions import Fraction

import av
import pytest
from PIL import Image, ImageChops, ImageFont, ImageStat

from simulator import video
from simulator.picture import prompt_picture, wrapped
from simulator.video import Clip, ClipCache, plain_video, render

SIZES = [(1280, 720), (720, 1280), (1920, 1080), (1080, 1920)]
LYING_AND_STANDING = [SIZES[0], SIZES[3]]
LONG_PROMPT = "A drone shot over a harbour town at golden hour, gulls overhead. " * 60


def pictures(mp4: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(mp4)) as container:
        return [frame.to_image().convert("L") for frame in container.decode(video=0)]


def above_band(picture: Image.Image) -> Image.Image:
    return picture.crop((0, 0, picture.width, video._band_top(picture.height)))


def band(picture: Image.Image) -> Image.Image:
    top = video._band_top(picture.height)
    return picture.crop((0, top, picture.width, picture.height))


@pytest.mark.parametrize(
    ("size", "seconds"), [*((size, 4) for size in SIZES), (SIZES[0], 6), (SIZES[1], 8)]
)
def test_a_video_has_exactly_the_size_duration_and_rate_that_were_asked_for(size, seconds):
    mp4 = render(Clip("a red fox", seconds, *size))
    with av.open(io.BytesIO(mp4)) as container:
        (stream,) = container.streams
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == size
        assert stream.average_rate == 24
        assert stream.duration * stream.time_base == seconds
        assert container.duration == seconds * av.time_base
        times = [frame.pts * frame.time_base for frame in container.decode(stream)]
    assert times == [Fraction(number, 24) for number in range(seconds * 24)]
    assert len(mp4) > 1000


@pytest.mark.parametrize("size", LYING_AND_STANDING)
def test_the_prompt_stands_still_while_the_band_moves(size):
    # The frames behind the first were encoded without this prompt: they must not touch it.
    first, *others = pictures(render(Clip(LONG_PROMPT, 6, *size)))
    assert {above_band(other).tobytes() for other in others} == {above_band(first).tobytes()}
    assert len({band(picture).tobytes() for picture in (first, *others)}) > 100


@pytest.mark.parametrize("size", SIZES)
def test_the_band_is_a_slice_of_its_own(size):
    with av.open(io.BytesIO(render(Clip("a red fox", 4, *size)))) as container:
        first, second, *_ = container.demux(video=0)
        macroblocks_above = -(-size[0] // 16) * video._band_top(size[1]) // 16
        for packet in (first, second):
            assert first_macroblocks(bytes(packet))[-1] == macroblocks_above


def first_macroblocks(access_unit: bytes) -> list[int]:
    """Return the number of the first macroblock of each slice (ITU-T H.264, 7.3.3)."""
    numbers = []
    while access_unit:
        size = int.from_bytes(access_unit[:4], "big")
        unit, access_unit = access_unit[4 : 4 + size], access_unit[4 + size :]
        if unit[0] & 31 in {1, 5}:
            bits = "".join(f"{byte:08b}" for byte in unit[1:9])
            zeros = bits.index("1")
            numbers.append(int(bits[zeros : 2 * zeros + 1], 2) - 1)
    return numbers


@pytest.mark.parametrize("size", LYING_AND_STANDING)
def test_the_band_is_the_same_whatever_the_prompt(size):
    one = pictures(render(Clip("a", 4, *size)))
    other = pictures(render(Clip(LONG_PROMPT, 4, *size)))
    assert [band(p).tobytes() for p in one] == [band(p).tobytes() for p in other]


def test_what_is_seen_is_what_was_drawn():
    size = (1280, 720)
    drawn = prompt_picture("a red fox", "", size, video._band_top(720))
    seen = pictures(render(Clip("a red fox", 4, *size)))[0]
    # Video stores brightness as 16 to 235; a picture shows it as 0 to 255.
    stretched = drawn.point(lambda luma: max(0, min(255, round((luma - 16) * 255 / 219))))
    difference = ImageChops.difference(above_band(seen), above_band(stretched))
    assert ImageStat.Stat(difference).mean[0] < 12  # what the flat tint of the background adds


def test_other_prompts_make_other_videos_and_the_same_prompt_the_same_bytes():
    fox, cat, again = (render(Clip(prompt, 4, 1280, 720)) for prompt in ("fox", "cat", "fox"))
    assert fox == again != cat


@pytest.mark.parametrize(
    "prompt", ["", "x" * 5000, "é\u2013日本🎬\t\x00", "a\n\n\nb", "  ", "\u0301", "line\n" * 200]
)
@pytest.mark.parametrize("size", LYING_AND_STANDING)
def test_no_prompt_is_too_odd_to_be_shown(prompt, size):
    assert render(Clip(prompt, 4, *size))


def test_lines_break_between_words_and_only_a_giant_word_is_cut():
    font = ImageFont.load_default(20)
    text = "the quick brown fox " + "w" * 60
    lines = wrapped(text, font, 200)
    assert all(font.getlength(line) <= 200 for line in lines)
    assert lines[0].split() == text.split()[: len(lines[0].split())]
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_cache_keeps_the_latest_clips_within_its_bytes():
    clips = [Clip(f"{number}", 4, 1280, 720) for number in range(4)]
    size = max(len(render(clip)) for clip in clips)
    cache = ClipCache(bytes_max=size * 2)
    kept = [cache.video(clip) for clip in clips]
    assert cache.video(clips[3]) is kept[3]
    assert cache.video(clips[0]) is not kept[0]
    assert cache.video(clips[0]) == kept[0]


@pytest.mark.parametrize("size", LYING_AND_STANDING)
def test_a_plain_video_is_as_real_as_any_and_its_bytes_are_its_own(size):
    fox, cat, again = (plain_video(Clip(words, 6, *size)) for words in ("fox", "cat", "fox"))
    assert fox == again != cat
    assert len(pictures(fox)) == 6 * 24
    assert pictures(fox)[0].size == size
