"""What can be bought, what it costs and what it must look like."""

from dataclasses import replace

import pytest

from domain.catalogue import (
    CATALOGUE,
    FAL_VEO_3_1,
    SORA_2_IMAGE,
    VEO_3_1,
    VEO_3_1_VERTEX,
    SettingFault,
    cost_micro_dollars,
    price_credits,
    size_pixels,
    unsupported_input,
    unsupported_setting,
)
from domain.prompts import PROMPT_TOKENS_MAX
from schemas.requests import PrivatePrompt
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
                settings = video(resolution=resolution, aspect_ratio=aspect_ratio)
                assert (size_pixels(settings) is None) == ("auto" in (resolution, aspect_ratio))


@pytest.mark.parametrize("model", CATALOGUE.values(), ids=lambda model: model.name)
def test_what_a_request_leaves_out_is_something_the_model_offers(model):
    """C05, C06."""
    settings = video(
        model.default_duration_seconds,
        model.name,
        model.default_resolution,
        model.default_aspect_ratio,
    )
    assert unsupported_setting(model, settings) is None


def test_sora_makes_a_picture_move_for_ten_credits_a_second():
    """S2-24, S2-28."""
    assert dict(SORA_2_IMAGE.price_credits_by_duration) == {4: 40, 8: 80, 12: 120}
    assert cost_micro_dollars(SORA_2_IMAGE, video(12)) == 1_200_000
    defaults = (
        SORA_2_IMAGE.default_duration_seconds,
        SORA_2_IMAGE.default_resolution,
        SORA_2_IMAGE.default_aspect_ratio,
    )
    assert defaults == (4, "auto", "auto")


@pytest.mark.parametrize("model", [VEO_3_1_VERTEX, FAL_VEO_3_1])
def test_veo_is_the_same_behind_every_door(model):
    assert replace(model, name=VEO_3_1.name, provider=VEO_3_1.provider) == VEO_3_1


WORDS = PrivatePrompt(prompt="a fox", negative_prompt="rain")
PICTURE = PrivatePrompt(prompt="it runs", image_url="https://pictures.example/fox.png")


@pytest.mark.parametrize(
    ("model", "prompt", "fault"),
    [
        (VEO_3_1, WORDS, None),
        (VEO_3_1, PICTURE, SettingFault("image_url", "present", ("absent",))),
        (SORA_2_IMAGE, PICTURE, None),
        (SORA_2_IMAGE, WORDS, SettingFault("image_url", "absent", ("present",))),
    ],
)
def test_a_picture_goes_to_the_models_that_need_one_and_no_others(model, prompt, fault):
    """S2-24."""
    assert unsupported_input(model, prompt) == fault
