"""What a model makes of a request: its defaults for what was left out, its refusals for the rest.

Nothing that was sent is ever changed (I26), and a picture's address is never shown or opened.
"""

import re
from typing import Any
from urllib.parse import urlsplit

from domain.catalogue import Model, unsupported_input, unsupported_setting
from ingress.inputs import GenerationInput
from ingress.problems import FieldFault, shown
from runtime.addresses import names_inside
from schemas.requests import PrivatePrompt, VideoSettings

# 2,000 characters: what an event holds (schemas.requests.ImageUrl).
IMAGE_URL_CHARACTERS_MAX = 2000
_IMAGE_REMEDY = "send an https URL of a public host, of at most 2,000 visible ASCII characters"
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_INPUT_PROBLEMS = {
    ("image_url", "absent"): ("is needed by {model}", _IMAGE_REMEDY),
    ("image_url", "present"): ("is of no use to {model}", "leave it out"),
    ("negative_prompt", "present"): ("is of no use to {model}", "leave it out"),
}


def settings_of(asked: GenerationInput, model: Model) -> VideoSettings:
    """Give the settings that were asked for, not yet checked."""
    sent = asked.model_fields_set
    return VideoSettings.model_construct(
        model=model.name,
        duration_seconds=asked.duration_seconds
        if "duration_seconds" in sent
        else model.default_duration_seconds,
        resolution=asked.resolution if "resolution" in sent else model.default_resolution,
        aspect_ratio=asked.aspect_ratio if "aspect_ratio" in sent else model.default_aspect_ratio,
    )


def setting_faults(model: Model, settings: VideoSettings) -> list[FieldFault]:
    """Check every setting against the catalogue."""
    if unsupported_setting(model, settings) is None:
        return []
    faults = []
    values: dict[str, Any] = settings.model_dump()
    # The catalogue names the first fault; with that one corrected it names the next.
    while fault := unsupported_setting(model, VideoSettings.model_construct(**values)):
        problem = f"{shown(values[fault.field])!r} is not offered by {model.name}"
        faults.append(FieldFault(fault.field, problem, f"use one of: {', '.join(fault.allowed)}"))
        values[fault.field] = getattr(model, f"default_{fault.field}")
    return faults


def input_faults(model: Model, prompt: PrivatePrompt) -> list[FieldFault]:
    """Check whether the model needs the picture or the words that were sent (S2-24)."""
    fault = unsupported_input(model, prompt)
    if fault is None:
        return []
    problem, remedy = _INPUT_PROBLEMS[fault.field, fault.value]
    return [FieldFault(fault.field, problem.format(model=model.name), remedy)]


def image_url_faults(url: str) -> list[FieldFault]:
    """Check the form of a picture's address; only the provider ever goes there."""
    visible = all("\x21" <= character <= "\x7e" for character in url)
    if len(url) > IMAGE_URL_CHARACTERS_MAX:
        problem = f"has {len(url)} characters; at most {IMAGE_URL_CHARACTERS_MAX}"
    elif not visible or not url.startswith("https://") or not (host := _host(url)):
        problem = "is no https URL"
    elif names_inside(host):
        problem = "leads inside a network, where no provider can fetch it"
    else:
        return []
    return [FieldFault("image_url", problem, _IMAGE_REMEDY)]


def _host(url: str) -> str | None:
    """Read the host; none where readers differ on what it is, as with a user or an escape."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host = parts.hostname or ""
    return host if "@" not in parts.netloc and _HOST.fullmatch(host) else None
