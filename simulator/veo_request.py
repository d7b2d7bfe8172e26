"""Reads the body of a Veo submission, and refuses what the API would refuse.

One rule of the API is left out on purpose: that 1080p needs 8 seconds. The product sells 1080p at
every duration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from simulator.google_errors import invalid_argument
from simulator.video import Clip

DURATIONS_SECONDS = (4, 6, 8)
SAMPLES_MAX = 4
SIZES = {
    ("720p", "16:9"): (1280, 720),
    ("720p", "9:16"): (720, 1280),
    ("1080p", "16:9"): (1920, 1080),
    ("1080p", "9:16"): (1080, 1920),
}
PERSON_GENERATION = ("allow_all", "allow_adult", "dont_allow")
_MEDIA = ("image", "video", "lastFrame", "referenceImages")
_PARAMETERS = frozenset(
    {
        "aspectRatio",
        "durationSeconds",
        "enhancePrompt",
        "negativePrompt",
        "personGeneration",
        "resolution",
        "sampleCount",
        "seed",
    }
)


@dataclass(frozen=True, slots=True)
class VeoOrder:
    """What a submission asks for."""

    clip: Clip
    samples: int


def read_document(body: bytes) -> object:
    """Return the JSON value of a body, or None if it is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def prompt_of(document: object) -> str | None:
    """Return the prompt of a body that may be wrong elsewhere, for the count of submissions."""
    match document:
        case {"instances": [{"prompt": str(prompt)}, *_]}:
            return prompt
        case _:
            return None


def read_order(model: str, document: object) -> VeoOrder:
    """Return what a body asks for.

    Raises: GoogleError, 400, that names the field.
    """
    if not isinstance(document, dict):
        raise invalid_argument("Invalid JSON payload: must be an object of at most 64 MiB.")
    prompt = _prompt(document)
    parameters = _parameters(document)
    ratio = _choice(parameters, "aspectRatio", ("16:9", "9:16"), "16:9")
    resolution = _choice(parameters, "resolution", ("720p", "1080p"), "720p")
    duration = _number(parameters, "durationSeconds", DURATIONS_SECONDS, 8)
    samples = _number(parameters, "sampleCount", range(1, SAMPLES_MAX + 1), 1)
    _choice(parameters, "personGeneration", PERSON_GENERATION, "allow_all")
    _typed(parameters, "negativePrompt", str, "a string")
    _typed(parameters, "enhancePrompt", bool, "a boolean")
    width, height = SIZES[resolution, ratio]
    caption = f"Simulated video, not billed. {model}, {duration} s, {width} x {height}"
    return VeoOrder(Clip(prompt, duration, width, height, caption), samples)


def _prompt(document: Mapping[str, Any]) -> str:
    match document.get("instances"):
        case [dict(instance)]:
            prompt = instance.get("prompt", "")
        case _:
            raise invalid_argument("instances: must be a list of exactly one object.")
    if not isinstance(prompt, str):
        raise invalid_argument("instances[0].prompt: must be a string.")
    if not prompt.strip() and not any(media in instance for media in _MEDIA):
        raise invalid_argument("instances[0].prompt: must not be empty.")
    return prompt


def _parameters(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters by their camelCase names; proto3 JSON takes both spellings."""
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise invalid_argument("parameters: must be an object.")
    named = {_camel_case(name): value for name, value in parameters.items()}
    for name in named:
        if name not in _PARAMETERS:
            raise invalid_argument(f"`{name}` isn't supported by this model. Please remove it.")
    return {name: value for name, value in named.items() if value is not None}


def _camel_case(name: str) -> str:
    head, *words = name.split("_")
    return head + "".join(word.capitalize() for word in words)


def _choice(parameters: Mapping[str, Any], name: str, choices: tuple[str, ...], usual: str) -> str:
    value = parameters.get(name, usual)
    if value not in choices:
        raise invalid_argument(f"parameters.{name}: must be one of {', '.join(choices)}.")
    return str(value)


def _number(
    parameters: Mapping[str, Any], name: str, choices: range | tuple[int, ...], usual: int
) -> int:
    value = parameters.get(name, usual)
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:9])
    if isinstance(value, bool) or value not in choices:
        listed = ", ".join(map(str, choices))
        raise invalid_argument(f"parameters.{name}: must be one of {listed}.")
    return int(value)


def _typed(parameters: Mapping[str, Any], name: str, kind: type, called: str) -> None:
    if name in parameters and not isinstance(parameters[name], kind):
        raise invalid_argument(f"parameters.{name}: must be {called}.")
