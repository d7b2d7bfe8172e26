"""How long a prompt is, and what is taken out of it."""

import unicodedata

import pytest
from hypothesis import example
from hypothesis import strategies as st

from domain.prompts import PROMPT_TOKENS_MAX, count_tokens, sanitized
from tests.domain.laws import whatever

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=60)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" \n\t", 0),
        ("lighthouse", 1),
        ("a lighthouse at dusk", 4),
        ("dusk.", 2),
        ("don't", 3),
        ("snake_case", 1),
        ("w" * 16, 1),
        ("w" * 17, 2),
        ("w" * 32, 2),
        ("w" * 33, 3),
        ("日本語", 3),
        ("ไทย", 3),
        ("한국 kimchi", 3),
        ("4K日本", 3),
        ("🌊🌊", 2),
    ],
)
def test_a_prompt_has_so_many_tokens(text, tokens):
    assert count_tokens(text) == tokens


def test_1024_tokens_are_within_the_limit_and_1025_are_not():
    """S0-09."""
    assert count_tokens("word " * 1024) == PROMPT_TOKENS_MAX == 1024
    assert count_tokens("word " * 1024 + ".") == 1025


@whatever(first=TEXTS, second=TEXTS)
def test_texts_apart_have_the_tokens_of_both(first, second):
    assert count_tokens(f"{first} {second}") == count_tokens(first) + count_tokens(second)


@whatever(text=TEXTS)
def test_nobody_gets_more_than_sixteen_characters_for_a_token(text):
    seen = sum(not character.isspace() for character in text)
    assert count_tokens(text) * 16 >= seen


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a\tb  ", "a\tb"),
        ("one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("a\x00b\x1b[31mc\x7f\x85", "ab[31mc"),
        ("a\ud800b", "ab"),
        ("e\u0301", "\u00e9"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\x00 \x00", ""),
        ("<b>bold</b> & 'quoted'", "<b>bold</b> & 'quoted'"),
    ],
)
def test_a_prompt_is_kept_without_what_nobody_can_see_or_say(text, clean):
    """S0-10: markup stays, as words; whoever shows it escapes it."""
    assert sanitized(text) == clean


@whatever(text=TEXTS)
@example(text="e\x00\u0301")  # a control between a letter and its accent
def test_a_clean_prompt_is_clean_for_good(text):
    """S0-10: NFC, no control but line feed and tab, sendable as UTF-8, nothing more to clean."""
    clean = sanitized(text)
    assert not any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in clean)
    assert clean == clean.strip()
    assert clean.encode().decode() == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert sanitized(clean) == clean
