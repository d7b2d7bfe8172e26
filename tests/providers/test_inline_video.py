"""Taking a video out of a JSON answer, whatever the places where the answer is cut."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.http_calls import BODY_BYTES_MAX, NotUnderstoodError
from providers.inline_video import InlineVideo

texts = st.text(st.sampled_from('ab"\\:{[ \n\u00e9bytesBase64Encoded'), max_size=30)


def split(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted(cut % (len(content) + 1) for cut in cuts)
    return [content[i:j] for i, j in zip([0, *places], [*places, len(content)], strict=True)]


@given(
    video=st.binary(min_size=1, max_size=300),
    name=texts,
    cuts=st.lists(st.integers(0, 10_000), max_size=8),
    indent=st.sampled_from([None, 2]),
)
def test_the_video_comes_out_whole_wherever_the_answer_is_cut(video, name, cuts, indent):
    encoded = base64.b64encode(video).decode()
    document = {
        "name": name,
        name + "x": 'bytesBase64Encoded": "no',
        "response": {"videos": [{"mimeType": "video/mp4", "bytesBase64Encoded": encoded}]},
        "later": name,
    }
    content = json.dumps(document, indent=indent, ensure_ascii=False).encode()
    answer = InlineVideo()
    assert b"".join(answer.feed(chunk) for chunk in split(content, cuts)) == video
    assert (answer.begun, answer.ended) == (True, True)


@given(name=texts, cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_an_answer_without_a_video_stays_as_it_is(name, cuts):
    content = json.dumps({"name": name, "done": False, "n": ["bytesBase64Encoded", 1]}).encode()
    answer = InlineVideo()
    assert b"".join(answer.feed(chunk) for chunk in split(content, cuts)) == b""
    assert (bytes(answer.remainder), answer.begun) == (content, False)


def test_a_name_that_only_ends_like_the_videos_opens_none():
    answer = InlineVideo()
    assert answer.feed(b'{"x\\"bytesBase64Encoded": "AAAA"}') == b""
    assert not answer.begun


def test_a_slash_may_be_escaped():
    answer = InlineVideo()
    assert answer.feed(b'{"bytesBase64Encoded":"\\/\\/8="}') == b"\xff\xff"


@pytest.mark.parametrize("text", [b"****", b"abc", b"ab\xff="])
def test_a_video_that_is_no_base64_is_told(text):
    with pytest.raises(NotUnderstoodError, match="no base64"):
        InlineVideo().feed(b'{"bytesBase64Encoded":"' + text + b'"}')


def test_what_comes_before_a_video_is_bounded():
    answer = InlineVideo()
    answer.feed(b"[" * BODY_BYTES_MAX)
    with pytest.raises(NotUnderstoodError, match="too large"):
        answer.feed(b"[")
