"""Each model's own defaults, and the picture that some need and others refuse."""

import httpx
import pytest

from schemas.requests import GenerationRequested, VideoSettings
from tests.ingress.conftest import World
from tests.inside_hosts import INSIDE_HOSTS

PATH = "/v1/generations"
IMAGE = "https://pictures.example/fox.png?signature=a%2Fb"
SORA = {"model": "sora-2-image", "prompt": "it runs", "image_url": IMAGE}


async def faults(world: World, client: httpx.AsyncClient, body: object) -> list[dict[str, str]]:
    answer = await client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    assert world.publisher.published == []
    return list(answer.json()["errors"])


def published(world: World) -> GenerationRequested:
    event = world.publisher.published[-1].event
    assert isinstance(event, GenerationRequested)
    return event


@pytest.mark.parametrize(
    ("body", "settings"),
    [
        ({"prompt": "a fox"}, ("veo-3.1", 8, "720p", "16:9")),
        ({"prompt": "a fox", "model": "fal-veo-3.1"}, ("fal-veo-3.1", 8, "720p", "16:9")),
        (SORA, ("sora-2-image", 4, "auto", "auto")),
        ({**SORA, "resolution": "720p"}, ("sora-2-image", 4, "720p", "auto")),
        ({**SORA, "duration_seconds": 12.0}, ("sora-2-image", 12, "auto", "auto")),
    ],
)
async def test_what_is_left_out_is_the_models_own_default(
    world: World, ann: httpx.AsyncClient, body: object, settings: tuple[str, int, str, str]
):
    """S2-28, C05, C06."""
    await ann.post(PATH, json=body)
    model, seconds, resolution, ratio = settings
    assert published(world).settings == VideoSettings(
        model=model, duration_seconds=seconds, resolution=resolution, aspect_ratio=ratio
    )


@pytest.mark.parametrize("field", ["duration_seconds", "resolution", "aspect_ratio"])
async def test_a_setting_that_was_sent_as_null_was_not_left_out(
    world: World, ann: httpx.AsyncClient, field: str
):
    (fault,) = await faults(world, ann, {**SORA, field: None})
    assert (fault["field"], fault["problem"]) == (field, "is null")


@pytest.mark.parametrize(
    ("field", "value"),
    [("duration_seconds", 15), ("duration_seconds", 6), ("resolution", "1080p")],
)
async def test_a_setting_of_another_model_is_refused_and_never_changed(
    world: World, ann: httpx.AsyncClient, field: str, value: object
):
    """I26, S2-29: the client's example of 15 s is nobody's length."""
    (fault,) = await faults(world, ann, {**SORA, field: value})
    assert fault["field"] == field


async def test_a_picture_travels_with_the_persons_own_words(world: World, ann: httpx.AsyncClient):
    """S2-24."""
    await world.grant("ann", 40)
    answer = await ann.post(PATH, json=SORA)
    assert (answer.status_code, answer.json()["price_credits"]) == (202, 40)
    assert published(world).private.image_url == IMAGE


async def test_another_picture_is_another_request(world: World, ann: httpx.AsyncClient):
    """I12."""
    await world.grant("ann", 100)
    key = {"Idempotency-Key": "k"}
    assert (await ann.post(PATH, json=SORA, headers=key)).status_code == 202
    other = {**SORA, "image_url": "https://pictures.example/owl.png"}
    answer = await ann.post(PATH, json=other, headers=key)
    assert answer.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("image", [{}, {"image_url": None}])
async def test_a_model_that_needs_a_picture_is_not_sold_without_one(
    world: World, ann: httpx.AsyncClient, image: dict[str, object]
):
    """S2-24: before any charge."""
    (fault,) = await faults(world, ann, {"model": "sora-2-image", "prompt": "it runs", **image})
    assert fault["field"] == "image_url"
    assert fault["problem"] == "is needed by sora-2-image"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "a fox", "image_url": IMAGE}, "image_url"),
        ({**SORA, "negative_prompt": "rain"}, "negative_prompt"),
    ],
)
async def test_what_a_model_has_no_use_for_is_refused(
    world: World, ann: httpx.AsyncClient, body: object, field: str
):
    (fault,) = await faults(world, ann, body)
    assert (fault["field"], fault["remedy"]) == (field, "leave it out")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://pictures.example/fox.png",
        "data:image/png;base64,AAAA",
        "https://",
        "https:///fox.png",
        "https://[x",
        "https://pictures.example/a fox.png",
        "https://pictures.example/f\u00fcchse.png",
        "https://pictures.example/" + "x" * 1976,
        "https://ann:secret@pictures.example/fox.png",
        "https://pictures.example\\@127.0.0.1/fox.png",
        "https://%31%32%37.0.0.1/fox.png",
    ],
)
async def test_a_picture_has_an_https_url_and_is_never_repeated(
    world: World, ann: httpx.AsyncClient, url: str
):
    (fault,) = await faults(world, ann, {**SORA, "image_url": url})
    assert fault["field"] == "image_url"
    assert not url or url not in fault["problem"]


async def test_a_picture_never_lies_inside_a_network(world: World, ann: httpx.AsyncClient):
    """torture.md row 39: the provider would refuse it, or be led where it must not go."""
    for host in INSIDE_HOSTS:
        url = f"https://{host}/fox.png"
        (fault,) = await faults(world, ann, {**SORA, "image_url": url})
        assert fault["field"] == "image_url", host
        assert host not in fault["problem"], host


async def test_a_picture_may_have_2000_characters(world: World, ann: httpx.AsyncClient):
    url = "https://pictures.example/".ljust(2000, "x")
    await ann.post(PATH, json={**SORA, "image_url": url})
    assert published(world).private.image_url == url
