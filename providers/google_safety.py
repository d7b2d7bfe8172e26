"""What Google's safety filter found, by the support codes that it names.

Its words are not read: only a code says the same for ever. It tells no confidence.
Source: cloud.google.com, Veo, "Safety filter code categories", as of 2026-11.
"""

import re
from collections.abc import Iterable, Mapping

_CODES = re.compile(r"Support codes?: ?(\d{8}(?:, ?\d{8})*)", re.IGNORECASE)
_CODES_BY_CATEGORY: Mapping[str, tuple[str, ...]] = {
    "child": ("58061214", "17301594"),
    "celebrity": ("29310472", "15236754"),
    "video_safety": ("64151117", "42237218"),
    "dangerous": ("62263041",),
    "hate": ("57734940", "22137204"),
    "other": ("74803281", "29578790", "42876398"),
    "prohibited": ("89371032", "49114662", "63429089", "72817394", "60599140"),
    "third_party": ("35561574", "35561575"),
    "sexual": ("90789179", "43188360"),
    "toxic": ("78610348",),
    "violence": ("61493863", "56562880"),
    "vulgar": ("32635315",),
}
_CATEGORY_BY_CODE = {
    code: category for category, codes in _CODES_BY_CATEGORY.items() for code in codes
}


def safety_category(texts: Iterable[str]) -> str | None:
    """Give the category of the first support code that is known; None where there is none."""
    for text in texts:
        for found in _CODES.finditer(text):
            for code in found[1].split(","):
                if category := _CATEGORY_BY_CODE.get(code.strip()):
                    return category
    return None
