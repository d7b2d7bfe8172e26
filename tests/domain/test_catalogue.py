"""What can be bought, what it costs and what it must look like."""

import pytest

from domain.catalogue import (
    CATALOGUE,
    VEO_3_1,
    SettingFault,
    cost_micro_dollars,
    price_credits,
    size_pixels,
    unsupported_setting,
)
from domain.prompts import PROMPT_TOKENS_MAX
from tests.domain.examples import video


@pytest.mark.parametrize(("seconds", "price"), [(4, 40), (6, 60), (8, 80)])
def test_the_price_follows_the_length_alone(seconds, price):
    """S0-18."""
    for resolution in VEO_3_1.resolutions:
        for aspect_ratio in VEO_3_1.aspect_ratios:
            settings = video(seconds, resolution=resolution, aspect_ratio=aspect_ratio)
            assert unsupported_setting(VEO_3_1, settings) is None
            assert price_credits(VEO_3_1, settings) == price


def test_the_first_unsupported_setting_is_named_with_what_is_allowed():
    settings = video(5, resolution="4k", aspect_ratio="1:1")
    assert unsupported_setting(VEO_3_1, settings) == SettingFault(
        "duration_seconds", "5", ("4", "6", "8")
    )


def test_lengths_are_listed_shortest_first():
    assert VEO_3_1.durations_seconds == (4, 6, 8)


@pytest.mark.parametrize(("seconds", "dollars"), [(4, 1.6), (6, 2.4), (8, 3.2)])
def test_the_cost_is_the_providers_list_price_in_micro_dollars(seconds, dollars):
    """I37."""
    assert cost_micro_dollars(VEO_3_1, video(seconds)) == round(dollars * 1_000_000)


@pytest.mark.parametrize(
    ("resolution", "aspect_ratio", "size"),
    [
        ("720p", "16:9", (1280, 720)),
        ("720p", "9:16", (720, 1280)),
        ("1080p", "16:9", (1920, 1080)),
        ("1080p", "9:16", (1080, 1920)),
    ],
)
def test_the_size_follows_resolution_and_aspect_ratio(resolution, aspect_ratio, size):
    assert size_pixels(video(resolution=resolution, aspect_ratio=aspect_ratio)) == size


def test_every_setting_on_offer_has_a_size_and_every_row_stands_under_its_name():
    for name, model in CATALOGUE.items():
        assert model.name == name
        assert model.prompt_tokens_max <= PROMPT_TOKENS_MAX
        for resolution in model.resolutions:
            for aspect_ratio in model.aspect_ratios:
                size_pixels(video(resolution=resolution, aspect_ratio=aspect_ratio))
