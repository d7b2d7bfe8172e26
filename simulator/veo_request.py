"""Reads the body of a Veo submission, and refuses what the API would refuse.

One rule of the API is left out on purpose: that 1080p needs 8 seconds. The product sells 1080p at
every duration.
"""

from collections.abc import Mapping
from typing import Any

from simulator.google_errors import invalid_argument
from simulator.studio import Order
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
PARAMETERS = frozenset(
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


def prompt_of(document: object) -> str | None:
    """Return the prompt of a body that may be wrong elsewhere, for the count of submissions."""
    match document:
        case {"instances": [{"prompt": str(prompt)}, *_]}:
            return prompt
        case _:
            return None


def read_order(model: str, document: object) -> Order:
    """Return what a body asks for.

    Raises: GoogleError, 400, that names the field.
    """
    prompt, parameters = read_body(document)
    refuse_others(parameters, PARAMETERS)
    return order_of(model, prompt, parameters)


def read_body(document: object) -> tuple[str, dict[str, Any]]:
    """Return the prompt and the parameters of a body, whichever parameters they are.

    Raises: GoogleError, 400, that names the field.
    """
    if not isinstance(document, dict):
        raise invalid_argument("Invalid JSON payload: must be an object of at most 64 MiB.")
    return _prompt(document), _parameters(document)


def refuse_others(parameters: Mapping[str, Any], names: frozenset[str]) -> None:
    """Refuse parameters that a model does not have.

    Raises: GoogleError, 400, that names the parameter.
    """
    for name in parameters:
        if name not in names:
            raise invalid_argument(f"`{name}` isn't supported by this model. Please remove it.")


def order_of(model: str, prompt: str, parameters: Mapping[str, Any]) -> Order:
    """Return what a prompt and the parameters that every Veo has ask for.

    Raises: GoogleError, 400, that names the parameter.
    """
    ratio = choice(parameters, "aspectRatio", ("16:9", "9:16"), "16:9")
    resolution = choice(parameters, "resolution", ("720p", "1080p"), "720p")
    duration = _number(parameters, "durationSeconds", DURATIONS_SECONDS, 8)
    samples = _number(parameters, "sampleCount", range(1, SAMPLES_MAX + 1), 1)
    choice(parameters, "personGeneration", PERSON_GENERATION, "allow_all")
    typed(parameters, "negativePrompt", str, "a string")
    typed(parameters, "enhancePrompt", bool, "a boolean")
    width, height = SIZES[resolution, ratio]
    caption = f"Simulated video, not billed. {model}, {duration} s, {width} x {height}"
    return Order(Clip(prompt, duration, width, height, caption), samples)


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
    return {name: value for name, value in named.items() if value is not None}


def _camel_case(name: str) -> str:
    head, *words = name.split("_")
    return head + "".join(word.capitalize() for word in words)


def choice(parameters: Mapping[str, Any], name: str, choices: tuple[str, ...], usual: str) -> str:
    """Return a parameter that has a few values.

    Raises: GoogleError, 400.
    """
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


def typed(parameters: Mapping[str, Any], name: str, kind: type, called: str) -> None:
    """Check a parameter that need not be there.

    Raises: GoogleError, 400.
    """
    if name in parameters and not isinstance(parameters[name], kind):
        raise invalid_argument(f"parameters.{name}: must be {called}.")
