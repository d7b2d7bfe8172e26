"""The models that can be bought: allowed settings, price, provider, cost. Data, not code.

A row is never removed, for the tape of jobs that bought it is played back with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from domain.prompts import PROMPT_TOKENS_MAX
from schemas.requests import PrivatePrompt, VideoSettings


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalogue.

    The defaults stand for what a request leaves out; what it names is never changed (I26).
    Units: durations in seconds, prices in credits, cost in micro-dollars (1e-6 USD) per second.
    """

    name: str
    provider: str
    price_credits_by_duration: Mapping[int, int]
    resolutions: tuple[str, ...]
    aspect_ratios: tuple[str, ...]
    prompt_tokens_max: int
    cost_micro_dollars_per_second: int
    default_duration_seconds: int
    default_resolution: str
    default_aspect_ratio: str
    takes_negative_prompt: bool
    needs_image: bool

    @property
    def durations_seconds(self) -> tuple[int, ...]:
        """Lengths on offer, shortest first."""
        return tuple(sorted(self.price_credits_by_duration))


VEO_3_1 = Model(
    name="veo-3.1",
    provider="google",
    # S0-18.
    price_credits_by_duration={4: 40, 6: 60, 8: 80},
    resolutions=("720p", "1080p"),
    aspect_ratios=("16:9", "9:16"),
    prompt_tokens_max=PROMPT_TOKENS_MAX,
    # 0.40 USD per second, Google's list price of September 2026.
    cost_micro_dollars_per_second=400_000,
    # S0-08.
    default_duration_seconds=8,
    default_resolution="720p",
    default_aspect_ratio="16:9",
    takes_negative_prompt=True,
    needs_image=False,
)
# The same model behind another door: same settings, same price.
VEO_3_1_VERTEX = replace(VEO_3_1, name="veo-3.1-vertex", provider="vertex")
FAL_VEO_3_1 = replace(VEO_3_1, name="fal-veo-3.1", provider="fal")
SORA_2_IMAGE = Model(
    name="sora-2-image",
    provider="fal",
    # 10 credits per second, as for the others.
    price_credits_by_duration={4: 40, 8: 80, 12: 120},
    resolutions=("auto", "720p"),
    aspect_ratios=("auto", "16:9", "9:16"),
    prompt_tokens_max=PROMPT_TOKENS_MAX,
    # 0.10 USD per second, fal's list price as last known.
    cost_micro_dollars_per_second=100_000,
    # S2-28.
    default_duration_seconds=4,
    default_resolution="auto",
    default_aspect_ratio="auto",
    takes_negative_prompt=False,
    # S2-24.
    needs_image=True,
)
CATALOGUE: Mapping[str, Model] = {
    model.name: model for model in (VEO_3_1, VEO_3_1_VERTEX, FAL_VEO_3_1, SORA_2_IMAGE)
}

# Sizes in pixels of the longer and shorter side, by the name clients use.
_SIDES_PIXELS = {"720p": (1280, 720), "1080p": (1920, 1080)}


@dataclass(frozen=True, slots=True)
class SettingFault:
    """One setting that a model does not offer."""

    field: str
    value: str
    allowed: tuple[str, ...]


def unsupported_setting(model: Model, settings: VideoSettings) -> SettingFault | None:
    """Find the first setting that the model does not offer; none is ever changed (I26)."""
    durations = tuple(str(seconds) for seconds in model.durations_seconds)
    for field, value, allowed in (
        ("duration_seconds", str(settings.duration_seconds), durations),
        ("resolution", settings.resolution, model.resolutions),
        ("aspect_ratio", settings.aspect_ratio, model.aspect_ratios),
    ):
        if value not in allowed:
            return SettingFault(field, value, allowed)
    return None


def unsupported_input(model: Model, prompt: PrivatePrompt) -> SettingFault | None:
    """Find the first of a person's inputs that the model lacks or has no use for (S2-24)."""
    image = "absent" if prompt.image_url is None else "present"
    if (image == "present") != model.needs_image:
        return SettingFault("image_url", image, ("present" if model.needs_image else "absent",))
    if prompt.negative_prompt is not None and not model.takes_negative_prompt:
        return SettingFault("negative_prompt", "present", ("absent",))
    return None


def price_credits(model: Model, settings: VideoSettings) -> int:
    """Give a job's price, evaluated once and kept on the job (C04, I08)."""
    return model.price_credits_by_duration[settings.duration_seconds]


def cost_micro_dollars(model: Model, settings: VideoSettings) -> int:
    """Give what the provider's list price makes of a delivered job; never credits (I37)."""
    return model.cost_micro_dollars_per_second * settings.duration_seconds


def size_pixels(settings: VideoSettings) -> tuple[int, int] | None:
    """Give the width and height that were asked for; None if that was left to the model."""
    if "auto" in (settings.resolution, settings.aspect_ratio):
        return None
    longer, shorter = _SIDES_PIXELS[settings.resolution]
    return (longer, shorter) if settings.aspect_ratio == "16:9" else (shorter, longer)
