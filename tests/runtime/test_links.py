"""Links that end: C24, S1-28."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from runtime.links import MediaLinks
from runtime.settings import Settings

KEY = "planted-signing-key"
FILE = "ada/videos/operation-1.mp4"
ENDS_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = ENDS_AT - timedelta(microseconds=1)


def links(key: str = KEY) -> MediaLinks:
    return MediaLinks(Settings(media_signing_key=key))


def fields(query: str) -> tuple[str, str]:
    parsed = parse_qs(query, strict_parsing=True)
    assert list(parsed) == ["expires", "signature"]
    return parsed["expires"][0], parsed["signature"][0]


EXPIRES, SIGNATURE = fields(links().sign(FILE, ENDS_AT))


def test_a_link_opens_its_file_until_its_end_and_not_at_it():
    assert links().verify(FILE, EXPIRES, SIGNATURE, BEFORE)
    assert not links().verify(FILE, EXPIRES, SIGNATURE, ENDS_AT)


def test_a_fraction_of_a_second_is_never_given_away():
    expires, _ = fields(links().sign(FILE, ENDS_AT + timedelta(seconds=0.9)))
    assert expires == EXPIRES == "1767268800"


@pytest.mark.parametrize(
    ("object_key", "expires", "signature"),
    [
        ("ada/videos/operation-2.mp4", EXPIRES, SIGNATURE),
        ("bob/videos/operation-1.mp4", EXPIRES, SIGNATURE),
        (FILE, str(int(EXPIRES) + 1), SIGNATURE),
        (FILE, f"0{EXPIRES}", SIGNATURE),
        (FILE, "", SIGNATURE),
        (FILE, EXPIRES, ""),
        (FILE, EXPIRES, SIGNATURE[:-1]),
        (FILE, EXPIRES, SIGNATURE.upper()),
        (FILE, EXPIRES, "é" * 64),
        (FILE, EXPIRES, "\ud800"),
        ("\ud800", EXPIRES, SIGNATURE),
        (FILE, "٣٣", SIGNATURE),
    ],
)
def test_nothing_about_a_link_can_be_changed(object_key, expires, signature):
    assert not links().verify(object_key, expires, signature, BEFORE)


@pytest.mark.parametrize("expires", ["-1", "1e3", "9" * 13, "soon"])
def test_an_end_that_is_no_time_opens_nothing_even_if_signed(expires):
    signer = links()
    assert not signer.verify(FILE, expires, signer._signature(FILE, expires), BEFORE)


def test_another_key_signs_other_links():
    assert not links("another").verify(FILE, EXPIRES, SIGNATURE, BEFORE)


@pytest.mark.parametrize("key", ["", "  "])
def test_without_a_key_nothing_starts(key):
    with pytest.raises(ValueError, match="TAPEWORKS_MEDIA_SIGNING_KEY"):
        links(key)


def test_a_path_out_of_the_store_is_never_signed():
    with pytest.raises(ValueError, match="not a key"):
        links().sign("../etc/passwd", ENDS_AT)


def test_the_key_shows_in_no_repr():
    """I28."""
    assert KEY not in repr(vars(links()))
