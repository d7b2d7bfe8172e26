"""Google's own SDK, the last release that sends Veo requests with an API key, from end to end."""

import io
from collections.abc import Iterator

import av
import pytest
from google import genai
from google.genai import errors, types

from tests.simulator.conftest import MODEL, Wire

FOX = types.GenerateVideosSource(prompt="a red fox")


@pytest.fixture
def client(wire) -> Iterator[genai.Client]:
    with sdk(wire) as client:
        yield client


def sdk(wire: Wire, key: str = "key", version: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=wire.url, api_version=version)
    return genai.Client(api_key=key, http_options=options)


def generate(client: genai.Client, **config) -> types.GenerateVideosOperation:
    return client.models.generate_videos(
        model=MODEL, source=FOX, config=types.GenerateVideosConfig(**config)
    )


@pytest.mark.parametrize(
    ("resolution", "ratio", "seconds", "size"),
    [
        ("720p", "16:9", 8, (1280, 720)),
        ("720p", "9:16", 6, (720, 1280)),
        ("1080p", "16:9", 4, (1920, 1080)),
        ("1080p", "9:16", 8, (1080, 1920)),
    ],
)
def test_a_video_is_made_from_end_to_end(client, resolution, ratio, seconds, size):
    operation = generate(
        client,
        resolution=resolution,
        aspect_ratio=ratio,
        duration_seconds=seconds,
        negative_prompt="rain",
        number_of_videos=1,
        person_generation="allow_all",
        enhance_prompt=True,
    )
    assert not operation.done
    operation = client.operations.get(operation)
    assert operation.done
    assert operation.response
    (generated,) = operation.response.generated_videos or []
    assert generated.video
    content = client.files.download(file=generated.video)
    with av.open(io.BytesIO(content)) as container:
        (stream,) = container.streams
        assert (stream.width, stream.height) == size
        assert stream.average_rate == 24
        assert container.duration == seconds * av.time_base


def test_version_one_of_the_api_serves_the_sdk_alike(wire):
    with sdk(wire, version="v1") as client:
        operation = client.operations.get(generate(client))
        assert operation.response
        (generated,) = operation.response.generated_videos or []
        assert client.files.download(file=generated)[4:8] == b"ftyp"


# google-genai 2.34.0 derives from a class of aiohttp that does not want it.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_the_asynchronous_client_is_served_too(wire):
    with sdk(wire) as client:
        async with client.aio as aio:
            operation = await aio.models.generate_videos(model=MODEL, source=FOX)
            operation = await aio.operations.get(operation)
            assert operation.response
            (generated,) = operation.response.generated_videos or []
            assert (await aio.files.download(file=generated))[4:8] == b"ftyp"


def test_a_running_generation_is_not_done(wire, client):
    wire.http.post("/_control/clock", json={"seconds": 3600}).raise_for_status()
    assert not client.operations.get(generate(client)).done


def test_a_filtered_generation_is_a_success_without_videos(wire, client):
    wire.fault("safety_block")
    operation = client.operations.get(generate(client))
    assert operation.done
    assert operation.error is None
    assert operation.response
    assert operation.response.rai_media_filtered_count == 1
    assert not operation.response.generated_videos


def test_a_wrong_key_is_a_client_error_400(wire):
    with sdk(wire, key="invalid") as client, pytest.raises(errors.ClientError) as caught:
        generate(client)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "API key not valid" in (caught.value.message or "")


def test_a_bad_parameter_is_a_client_error_400(client):
    with pytest.raises(errors.ClientError) as caught:
        generate(client, duration_seconds=5)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


def test_an_unknown_model_is_a_client_error_404(client):
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_videos(model="veo-9", source=FOX)
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_an_unknown_operation_is_a_client_error_404(client):
    name = f"models/{MODEL}/operations/none"
    with pytest.raises(errors.ClientError) as caught:
        client.operations.get(types.GenerateVideosOperation.model_validate({"name": name}))
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_an_exhausted_quota_is_a_client_error_429(wire, client):
    wire.fault("error_429")
    with pytest.raises(errors.ClientError) as caught:
        generate(client)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


def test_an_internal_error_is_a_server_error_500(wire, client):
    wire.fault("error_500")
    with pytest.raises(errors.ServerError) as caught:
        generate(client)
    assert (caught.value.code, caught.value.status) == (500, "INTERNAL")
