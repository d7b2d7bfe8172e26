"""Google's own SDK in its Vertex mode, from end to end."""

import io
from collections.abc import Iterator

import av
import pytest
from google import genai
from google.genai import errors, types

from tests.simulator.conftest import VERTEX_MODEL, VertexWire

FOX = types.GenerateVideosSource(prompt="a red fox")


@pytest.fixture
def client(vertex) -> Iterator[genai.Client]:
    with sdk(vertex) as client:
        yield client


def sdk(vertex: VertexWire, key: str = "key") -> genai.Client:
    options = types.HttpOptions(base_url=vertex.url)
    return genai.Client(vertexai=True, api_key=key, http_options=options)


def generate(client: genai.Client, **config) -> types.GenerateVideosOperation:
    return client.models.generate_videos(
        model=VERTEX_MODEL, source=FOX, config=types.GenerateVideosConfig(**config)
    )


def videos(client: genai.Client, operation: types.GenerateVideosOperation) -> list[types.Video]:
    operation = client.operations.get(operation)
    assert operation.done
    assert operation.response
    return [each.video for each in operation.response.generated_videos or [] if each.video]


@pytest.mark.parametrize(
    ("resolution", "ratio", "seconds", "size"),
    [("720p", "9:16", 6, (720, 1280)), ("1080p", "16:9", 4, (1920, 1080))],
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
        generate_audio=True,
        seed=7,
        fps=24,
        compression_quality="OPTIMIZED",
        resize_mode="PAD",
        labels={"team": "tapes"},
    )
    assert not operation.done
    (video,) = videos(client, operation)
    assert video.mime_type == "video/mp4"
    assert video.video_bytes
    with av.open(io.BytesIO(video.video_bytes)) as container:
        (stream,) = container.streams
        assert (stream.width, stream.height) == size
        assert container.duration == seconds * av.time_base


def test_a_bucket_is_named_in_place_of_bytes(client):
    (video,) = videos(client, generate(client, output_gcs_uri="gs://bucket/videos"))
    assert (video.uri or "").startswith("gs://bucket/videos/")
    assert video.video_bytes is None


# google-genai 2.34.0 derives from a class of aiohttp that does not want it.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_the_asynchronous_client_is_served_too(client):
    async with client.aio as aio:
        operation = await aio.models.generate_videos(model=VERTEX_MODEL, source=FOX)
        operation = await aio.operations.get(operation)
        assert operation.response
        (generated,) = operation.response.generated_videos or []
        assert generated.video
        assert (generated.video.video_bytes or b"")[4:8] == b"ftyp"


def test_a_running_generation_is_not_done(vertex, client):
    vertex.clock(3600)
    assert not client.operations.get(generate(client)).done


def test_a_filtered_generation_is_a_success_without_videos(vertex, client):
    vertex.fault("safety_block")
    operation = client.operations.get(generate(client))
    assert operation.done
    assert operation.error is None
    assert operation.response
    assert operation.response.rai_media_filtered_count == 1
    assert not operation.response.generated_videos


def test_a_wrong_key_is_a_client_error_400(vertex):
    with sdk(vertex, key="invalid") as client, pytest.raises(errors.ClientError) as caught:
        generate(client)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("refuse_400", errors.ClientError, 400),
        ("error_429", errors.ClientError, 429),
        ("error_500", errors.ServerError, 500),
        ("error_after_accept", errors.ServerError, 500),
    ],
)
def test_a_failed_submission_is_an_error_of_its_class(vertex, client, fault, error, code):
    vertex.fault(fault)
    with pytest.raises(error) as caught:
        generate(client)
    assert caught.value.code == code
