"""Veo through Vertex over real sockets: what is sent, every shape of an answer, inline videos."""

import base64
import json
import traceback

import pytest
from pydantic import SecretStr

from providers import vertex as vertex_module
from providers.protocol import (
    SOURCE_CHARACTERS_MAX,
    FetchError,
    Finished,
    ProviderError,
    Refused,
    Running,
    Submission,
)
from providers.vertex import VertexVeo
from schemas.requests import PrivatePrompt, VideoSettings
from tests.providers.conftest import HURRIED, KEY
from tests.providers.scripted_server import answer, cut, dripping, partial, silence

MODEL = "veo-3.1-vertex"
RESOURCE = "projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001"
OPERATION = f"{RESOURCE}/operations/0f-1"
POLLED = f"/v1beta1/{RESOURCE}:fetchPredictOperation"
SETTINGS = VideoSettings(model=MODEL, duration_seconds=6, resolution="1080p", aspect_ratio="9:16")
ORDER = Submission("job", SETTINGS, PrivatePrompt(prompt="A red kite.", negative_prompt="rain"))
# 3 MiB: three times what a poll may hold in memory.
VIDEO = bytes(range(256)) * 12_288


def done(**response: object) -> dict[str, object]:
    return {"name": OPERATION, "done": True, "response": response}


def inline(video: bytes = VIDEO) -> dict[str, object]:
    encoded = base64.b64encode(video).decode()
    return done(videos=[{"bytesBase64Encoded": encoded, "mimeType": "video/mp4"}])


async def fetched(adapter: VertexVeo, source: str = OPERATION) -> bytes:
    async with adapter.fetch(source) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_a_video_is_asked_for_as_the_api_documents(vertex, server):
    server.replies(answer(200, {"name": OPERATION}))
    assert await vertex.submit(ORDER) == OPERATION
    (request,) = server.received
    assert request.method == "POST"
    assert request.target == (
        "/v1beta1/publishers/google/models/veo-3.1-generate-001:predictLongRunning"
    )
    assert request.headers["x-goog-api-key"] == KEY
    assert request.document == {
        "instances": [{"prompt": "A red kite."}],
        "parameters": {
            "aspectRatio": "9:16",
            "resolution": "1080p",
            "durationSeconds": 6,
            "sampleCount": 1,
            "negativePrompt": "rain",
            "generateAudio": True,
        },
    }


async def test_a_token_instead_of_a_key_goes_where_tokens_go(settings, server):
    token = {"vertex_auth": "bearer", "vertex_api_key": SecretStr("ya29.token")}
    adapter = VertexVeo(settings.model_copy(update=token), HURRIED)
    server.replies(answer(200, {"name": OPERATION}))
    await adapter.submit(ORDER)
    await adapter.close()
    headers = server.received[0].headers
    assert headers["authorization"] == "Bearer ya29.token"
    assert "x-goog-api-key" not in headers


@pytest.mark.parametrize(
    ("reply", "kind", "started"),
    [
        (answer(400), "rejected", "no"),
        (answer(403), "permanent", "no"),
        (answer(429), "transient", "no"),
        (answer(500), "transient", "unknown"),
        (answer(200, b"{}"), "transient", "unknown"),
        (cut, "transient", "unknown"),
        (silence, "transient", "unknown"),
    ],
)
async def test_an_answer_says_whether_work_may_have_begun(vertex, server, reply, kind, started):
    """C18: as for the Gemini API, whose rules these are."""
    server.replies(reply)
    with pytest.raises(ProviderError) as raised:
        await vertex.submit(ORDER)
    assert (raised.value.fault.kind, raised.value.fault.started) == (kind, started)
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": OPERATION}, Running("running")),
        (done(videos=[{"gcsUri": "gs://b/o.mp4"}]), Finished("gs://b/o.mp4")),
        (done(videos=[{"bytesBase64Encoded": ""}]), Finished(OPERATION)),
        (inline(), Finished(OPERATION)),
        (done(raiMediaFilteredCount=1), Refused(())),
        (
            done(raiMediaFilteredCount=1, raiMediaFilteredReasons=[f"No. {KEY}"]),
            Refused(("No. [redacted]",)),
        ),
    ],
)
async def test_each_shape_of_an_operation_is_read(vertex, server, body, expected):
    server.replies(answer(200, body))
    polled = await vertex.poll(MODEL, OPERATION)
    assert polled == expected
    (request,) = server.received
    assert (request.method, request.target) == ("POST", POLLED)
    assert request.document == {"operationName": OPERATION}
    assert request.headers["x-goog-api-key"] == KEY


async def test_an_inline_video_stays_off_the_tape(vertex, server):
    """I29: what goes there is the operation, however large the video."""
    server.replies(answer(200, inline()))
    polled = await vertex.poll(MODEL, OPERATION)
    assert len(polled.source) <= SOURCE_CHARACTERS_MAX


async def test_a_poll_ends_where_the_video_begins(vertex, server):
    """The answer goes on for longer than the poll's deadline."""
    begun = json.dumps(inline(b"x" * 9)).encode()[:-12]
    server.replies(partial(10**9, begun))
    assert await vertex.poll(MODEL, OPERATION) == Finished(OPERATION)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(200, {"done": True, "error": {"code": 3, "message": "No."}}), "rejected"),
        (answer(200, {"done": True, "error": {"code": 13, "message": "No."}}), "permanent"),
        (answer(200, done()), "permanent"),
        (answer(404), "permanent"),
        (answer(401), "transient"),
        (answer(503), "transient"),
        (answer(200, b"not JSON"), "transient"),
        (answer(200, {"x": "y" * 1_048_577}), "transient"),
        (answer(200, {"done": True}, Content_Encoding="gzip"), "transient"),
        (dripping(b" " * 100, 0.02), "transient"),
        (cut, "transient"),
    ],
)
async def test_a_poll_that_is_no_success_is_told_apart(vertex, server, reply, kind):
    server.replies(reply)
    with pytest.raises(ProviderError) as raised:
        await vertex.poll(MODEL, OPERATION)
    assert raised.value.fault.kind == kind


async def test_an_inline_video_is_fetched_by_asking_again(vertex, server):
    server.replies(answer(200, inline()))
    assert await fetched(vertex) == VIDEO
    (request,) = server.received
    assert (request.method, request.target) == ("POST", POLLED)


async def test_a_stored_video_is_fetched_from_the_storage(vertex, server):
    server.replies(answer(200, VIDEO))
    assert await fetched(vertex, "gs://bucket/a/b c.mp4") == VIDEO
    assert server.received[0].target == "/storage/v1/b/bucket/o/a%2Fb%20c.mp4?alt=media"


@pytest.mark.parametrize(
    ("reply", "expired"),
    [
        (answer(404), True),
        (answer(410), True),
        (answer(500), False),
        (answer(200, inline(), Content_Encoding="gzip"), False),
        (answer(200, {"name": OPERATION}), False),
        (answer(200, b'{"bytesBase64Encoded": "****"}'), False),
        (answer(200, b'{"bytesBase64Encoded": "AAAA'), False),
        (partial(10**6, b'{"bytesBase64Encoded": "AAAA'), False),
        (answer(200, b" " * 1_048_577), False),
        (cut, False),
    ],
)
async def test_anything_but_the_whole_video_is_a_failed_fetch(vertex, server, reply, expired):
    """S0-58."""
    server.replies(reply)
    with pytest.raises(FetchError) as raised:
        await fetched(vertex)
    assert raised.value.expired == expired
    assert KEY not in "".join(traceback.format_exception(raised.value))


async def test_an_answer_beyond_the_limit_is_a_failed_fetch(vertex, server, monkeypatch):
    monkeypatch.setattr(vertex_module, "ANSWER_BYTES_MAX", 1_000_000)
    server.replies(answer(200, inline()))
    with pytest.raises(FetchError, match="more than 1000000 bytes"):
        await fetched(vertex)


@pytest.mark.parametrize("source", ["gs://", "gs://bucket", "gs:///object"])
async def test_a_bucket_without_an_object_is_a_failed_fetch(vertex, server, source):
    with pytest.raises(FetchError, match="names no object"):
        await fetched(vertex, source)
    assert server.received == []


async def test_a_stored_video_elsewhere_is_not_followed(vertex, server):
    server.replies(answer(302, Location="https://elsewhere.example/x"))
    with pytest.raises(FetchError, match="another host"):
        await fetched(vertex, "gs://bucket/object")


async def test_a_cancellation_sends_nothing_because_the_api_has_none(vertex, server):
    assert await vertex.cancel(MODEL, OPERATION) == "not_offered"
    assert not vertex.capabilities(MODEL).can_cancel
    assert server.received == []


@pytest.mark.parametrize(
    ("changed", "variable"),
    [
        ({"vertex_api_key": SecretStr("")}, "VERTEX_AI_API_KEY"),
        ({"vertex_base_url": "ftp://x"}, "VERTEX_AI_BASE_URL"),
        ({"vertex_storage_url": "x"}, "VERTEX_AI_STORAGE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_start(settings, changed, variable):
    with pytest.raises(ValueError, match=variable):
        VertexVeo(settings.model_copy(update=changed))
