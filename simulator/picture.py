"""Draws the pictures of a simulated video: a prompt above, a band with a moving block below.

Only brightness is drawn, as one grey image as large as the luma plane of a frame; colour is one
flat value above and one in the band (`video.py`). The band looks the same in every video of its
size, whatever the prompt, which is what lets `video.py` encode it once.
"""

from __future__ import annotations

import functools
import unicodedata

from PIL import Image, ImageDraw, ImageFont

FPS = 24
BACKGROUND_LUMA = 48
BAND_LUMA = 28
TEXT_LUMA = 235
FAINT_LUMA = 140

# Characters of a prompt that are laid out: more than fill any picture at the smallest size.
PROMPT_CHARS_MAX = 4_000
# Tried from large to small until the prompt fits; in hundredths of the picture's shorter side.
FONT_SIZES_PERCENT = (10, 8, 6, 5, 4)
# The bundled font has no glyphs for these; accents it lacks too, and they are taken off.
_PLAIN_PUNCTUATION = str.maketrans({"\u2010": "-", "\u2011": "-", "\u2013": "-", "\u2014": "-"})

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def prompt_picture(prompt: str, caption: str, size: tuple[int, int], band_top: int) -> Image.Image:
    """Draw the first picture of a video: the prompt, wrapped, over the band in its first position.

    Shape: a grey image of `size`; a prompt too long for the smallest font ends in three dots.
    """
    picture = blank_picture(size, band_top)
    draw = ImageDraw.Draw(picture)
    margin = min(size) // 18
    caption_font = _font(min(size) // 26)
    draw.text((margin, margin), caption, font=caption_font, fill=FAINT_LUMA)
    top = margin * 2 + int(_line_height(caption_font))
    lines, font = _fitted(_printable(prompt), size[0] - 2 * margin, band_top - margin - top)
    for number, line in enumerate(lines):
        draw.text((margin, top + number * _line_height(font)), line, font=font, fill=TEXT_LUMA)
    draw_band(draw, size, band_top, frame=0)
    return picture


def blank_picture(size: tuple[int, int], band_top: int) -> Image.Image:
    """Draw the background and an empty band."""
    picture = Image.new("L", size, BACKGROUND_LUMA)
    picture.paste(BAND_LUMA, (0, band_top, *size))
    return picture


def draw_band(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], band_top: int, *, frame: int
) -> None:
    """Draw what moves: a block that goes to and fro, and the seconds that have passed.

    Units: `frame` counts from 0, at 24 frames per second. The block stays clear of the band's upper
    edge by more than an encoder's motion search reaches (16 pixels).
    """
    width, height = size
    side = (height - band_top) // 4
    middle = (band_top + height) // 2
    font = _font(side)
    clock_width = int(font.getlength("00.0 s")) + side
    reach = width - clock_width - 3 * side
    step = frame * max(reach // 60, 1) % (2 * reach)
    left = side + min(step, 2 * reach - step)
    draw.rectangle((0, middle - side, width, middle + side), fill=BAND_LUMA)
    draw.rectangle((left, middle - side // 2, left + side, middle + side // 2), fill=TEXT_LUMA)
    draw.text(
        (width - clock_width, middle),
        f"{frame / FPS:.1f} s",
        font=font,
        fill=TEXT_LUMA,
        anchor="lm",
    )


def wrapped(text: str, font: _Font, width: int) -> list[str]:
    """Break a text into lines no wider than `width` pixels; a word wider than a line is cut."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            candidate = f"{line} {word}" if line else word
            if font.getlength(candidate) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            *full, line = _pieces(word, font, width)
            lines.extend(full)
        if line:
            lines.append(line)
    return lines


def _pieces(word: str, font: _Font, width: int) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and font.getlength(pieces[-1] + character) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _fitted(text: str, width: int, height: int) -> tuple[list[str], _Font]:
    for percent in FONT_SIZES_PERCENT:
        font = _font(min(width, height * 2) * percent // 100)
        lines_max = int(height // _line_height(font))
        lines = wrapped(text[: _chars_max(font, width, lines_max)], font, width)
        if len(lines) <= lines_max and len(text) <= _chars_max(font, width, lines_max):
            return lines, font
    lines = lines[:lines_max]
    lines[-1] = lines[-1][:-3].rstrip() + "..."
    return lines, font


def _chars_max(font: _Font, width: int, lines_max: int) -> int:
    """Bound what is laid out: no text of average letters this long can fit."""
    return min(int(width / font.getlength("i") * lines_max) + 1, PROMPT_CHARS_MAX)


def _line_height(font: _Font) -> float:
    left, top, right, bottom = font.getbbox("Ag")
    del left, top, right
    return bottom * 1.3


def _printable(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text[:PROMPT_CHARS_MAX]).translate(_PLAIN_PUNCTUATION)
    letters = (c for c in plain if not unicodedata.combining(c))
    return "".join(c if c == "\n" or c.isprintable() else " " for c in letters)


@functools.lru_cache(maxsize=64)
def _font(size: int) -> _Font:
    return ImageFont.load_default(size)
