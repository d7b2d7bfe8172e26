"""Prompts: how their length is counted and what is taken out of them."""

import re
import unicodedata

# Letters and digits written without spaces between words (Han, Kana, Hangul, Thai): one token each.
_DENSE = r"\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_PIECE = re.compile(rf"[{_DENSE}]|[^\W{_DENSE}]+|[^\w\s]")
# A word counts one token per started 16 characters, so a wall of letters is no single token.
WORD_TOKEN_CHARACTERS = 16
PROMPT_TOKENS_MAX = 1024
_KEPT_CONTROLS = "\n\t"


def count_tokens(text: str) -> int:
    """Count a prompt's tokens by our own published rule.

    Units: a word is one token per started 16 characters; a punctuation mark or symbol is one; a
    character of a script without spaces is one.
    Source: decision 0008; no provider publishes a tokenizer that runs offline (S0-09).
    """
    return sum(-(-len(piece.group()) // WORD_TOKEN_CHARACTERS) for piece in _PIECE.finditer(text))


def sanitized(text: str) -> str:
    """Give the text in NFC, trimmed, without control characters but line feed and tab (S0-10)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    # Before composing: a control may stand between a letter and its accent.
    kept = "".join(c for c in lines if c in _KEPT_CONTROLS or not _is_control(c))
    return unicodedata.normalize("NFC", kept).strip()


def _is_control(character: str) -> bool:
    # Cc: controls; Cs: lone surrogates, which are no text at all.
    return unicodedata.category(character) in {"Cc", "Cs"}
