"""The models that can be bought: allowed settings, price, provider, cost. Data, not code.

A row is never removed, for the tape of jobs that bought it is played back with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.prompts import PROMPT_TOKENS_MAX
from schemas.requests import VideoSettings


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the catalogue.

    Units: durations in seconds, prices in credits, cost in micro-dollars (1e-6 USD) per second.
    """

    name: str
    provider: str
    price_credits_by_duration: Mapping[int, int]
    resolutions: tuple[str, ...]
    aspect_ratios: tuple[str, ...]
    prompt_tokens_max: int
    cost_micro_dollars_per_second: int

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
)
CATALOGUE: Mapping[str, Model] = {VEO_3_1.name: VEO_3_1}

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


def price_credits(model: Model, settings: VideoSettings) -> int:
    """Give a job's price, evaluated once and kept on the job (C04, I08)."""
    return model.price_credits_by_duration[settings.duration_seconds]


def cost_micro_dollars(model: Model, settings: VideoSettings) -> int:
    """Give what the provider's list price makes of a delivered job; never credits (I37)."""
    return model.cost_micro_dollars_per_second * settings.duration_seconds


def size_pixels(settings: VideoSettings) -> tuple[int, int]:
    """Give the width and height that were asked for."""
    longer, shorter = _SIDES_PIXELS[settings.resolution]
    return (longer, shorter) if settings.aspect_ratio == "16:9" else (shorter, longer)
