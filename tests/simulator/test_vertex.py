"""The wire format of Veo on Vertex, request by request, and what each fault does there."""

import io
import re

import av
import httpx
import pytest

from simulator.faults import FaultKind
from tests.simulator.conftest import MODEL, VERTEX_MODEL, VertexWire

DONE_TYPE = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
PROJECT = "projects/tapes/locations/us-central1/"


def assert_error(answer: httpx.Response, http_status: int, status: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (
        http_status,
        http_status,
        status,
    )
    assert error["message"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("place", ["", PROJECT])
def test_a_generation_is_submitted_and_polled_under_both_versions_and_places(
    vertex, place, version
):
    vertex.place = place
    submitted = vertex.submit(version=version).json()
    name = submitted["name"]
    assert submitted == {"name": name}
    resource = f"{place}publishers/google/models/{VERTEX_MODEL}"
    assert re.fullmatch(rf"{resource}/operations/[a-z0-9]+", name)
    done = vertex.poll(name, version)
    (video,) = done["response"]["videos"]
    assert done == {
        "name": name,
        "done": True,
        "response": {"@type": DONE_TYPE, "raiMediaFilteredCount": 0, "videos": [video]},
    }
    assert set(video) == {"bytesBase64Encoded", "mimeType"}
    assert video["mimeType"] == "video/mp4"
    with av.open(io.BytesIO(vertex.content(name))) as container:
        assert container.duration == 8 * av.time_base


def test_a_row_says_what_was_received(vertex):
    name = vertex.name("a red fox")
    fields = ("provider", "model", "operation", "prompt", "billed", "status")
    operation = name.rpartition("/")[2]
    assert vertex.row(*fields) == ("vertex", VERTEX_MODEL, operation, "a red fox", True, 200)


def test_a_running_operation_carries_its_name_only(vertex):
    vertex.clock(3600)
    name = vertex.name()
    assert vertex.poll(name) == {"name": name}


def test_a_bucket_that_was_asked_for_holds_the_videos(vertex):
    name = vertex.name(storageUri="gs://bucket/videos/", sampleCount=2)
    videos = vertex.poll(name)["response"]["videos"]
    assert [set(video) for video in videos] == [{"gcsUri", "mimeType"}] * 2
    first, second = (video["gcsUri"] for video in videos)
    assert re.fullmatch(r"gs://bucket/videos/[a-z0-9]+/sample_0\.mp4", first)
    assert second.endswith("/sample_1.mp4")
    stored = vertex.stored(first)
    assert (stored.status_code, stored.headers["content-type"]) == (200, "video/mp4")
    assert stored.content[4:8] == b"ftyp"


def test_an_object_needs_alt_media_and_must_be_there(vertex):
    assert_error(vertex.http.get("/storage/v1/b/bucket/o/object"), 400, "INVALID_ARGUMENT")
    assert_error(vertex.stored("gs://bucket/object"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "parameters",
    [
        {"durationSeconds": 4, "resolution": "1080p", "aspectRatio": "9:16"},
        {"seed": 7, "generateAudio": True, "fps": 24, "compressionQuality": "optimized"},
        {"resizeMode": "crop", "pubsubTopic": "projects/p/topics/t", "negativePrompt": "rain"},
    ],
)
def test_what_the_api_offers_is_accepted(vertex, parameters):
    assert vertex.submit(**parameters).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"durationSeconds": 5}, "durationSeconds"),
        ({"resolution": "480p"}, "resolution"),
        ({"generateAudio": "yes"}, "generateAudio"),
        ({"fps": 60}, "fps"),
        ({"compressionQuality": "best"}, "compressionQuality"),
        ({"resizeMode": "stretch"}, "resizeMode"),
        ({"storageUri": "s3://bucket"}, "storageUri"),
        ({"storageUri": "gs://"}, "storageUri"),
        ({"storageUri": 7}, "storageUri"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_parameter_that_the_api_refuses_is_named(vertex, parameters, named):
    answer = vertex.submit(**parameters)
    assert_error(answer, 400, "INVALID_ARGUMENT")
    assert named in answer.json()["error"]["message"]
    assert vertex.row("status", "billed") == (400, False)


def test_an_access_token_will_do_instead_of_a_key(vertex):
    del vertex.http.headers["x-goog-api-key"]
    vertex.http.headers["authorization"] = "Bearer token"
    assert vertex.poll(vertex.name())["done"]


@pytest.mark.parametrize(
    ("headers", "http_status", "status"),
    [
        ({}, 401, "UNAUTHENTICATED"),
        ({"authorization": "Bearer invalid"}, 401, "UNAUTHENTICATED"),
        ({"authorization": "Key key"}, 401, "UNAUTHENTICATED"),
        ({"x-goog-api-key": "invalid"}, 400, "INVALID_ARGUMENT"),
    ],
)
def test_every_request_needs_a_credential(vertex, headers, http_status, status):
    model = f"/v1beta1/publishers/google/models/{VERTEX_MODEL}"
    for method, path in [
        ("POST", f"{model}:predictLongRunning"),
        ("POST", f"{model}:fetchPredictOperation"),
        ("GET", "/storage/v1/b/bucket/o/object?alt=media"),
    ]:
        answer = httpx.request(method, f"{vertex.url}{path}", headers=headers)
        assert_error(answer, http_status, status)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1beta1/publishers/google/models/veo-9:predictLongRunning"),
        ("POST", f"/v1beta1/publishers/google/models/{MODEL}:predictLongRunning"),
        ("POST", f"/v1beta1/publishers/google/models/{VERTEX_MODEL}:generateContent"),
        ("GET", "/v1beta1/nothing"),
    ],
)
def test_what_is_unknown_is_not_found(vertex, method, path):
    assert_error(vertex.http.request(method, path), 404, "NOT_FOUND")


@pytest.mark.parametrize("body", [{}, {"operationName": 7}, [], {"operationName": "other"}])
def test_a_poll_must_name_an_operation_of_its_own_model(vertex, body):
    path = f"/v1beta1/publishers/google/models/{VERTEX_MODEL}:fetchPredictOperation"
    assert_error(vertex.http.post(path, json=body), 400, "INVALID_ARGUMENT")


def test_an_operation_is_known_to_its_own_model_and_provider_only(vertex, wire):
    name = vertex.name()
    other = name.replace(VERTEX_MODEL, "veo-3.1-fast-generate-001")
    assert_error(vertex.fetched(other), 404, "NOT_FOUND")
    operation = wire.name().rpartition("/")[2]
    assert_error(vertex.fetched(f"{name.rpartition('/')[0]}/{operation}"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("kind", "http_status", "status"),
    [
        ("error_500", 500, "INTERNAL"),
        ("error_429", 429, "RESOURCE_EXHAUSTED"),
        ("refuse_400", 400, "INVALID_ARGUMENT"),
    ],
)
def test_a_refused_submission_starts_nothing(vertex, kind, http_status, status):
    vertex.fault(kind)
    assert_error(vertex.submit(), http_status, status)
    fields = ("fault", "billed", "operation", "status")
    assert vertex.row(*fields) == (kind, False, None, http_status)


def test_hang_starts_nothing(vertex):
    vertex.fault("hang", next_n=1, seconds=0)
    assert_error(vertex.submit(), 504, "DEADLINE_EXCEEDED")
    assert vertex.row("fault", "billed", "operation") == ("hang", False, None)


def test_drop_answer_bills_and_cuts_the_connection(vertex):
    vertex.fault("drop_answer")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        vertex.submit()
    assert_done(vertex, "drop_answer", "dropped")


def test_error_after_accept_bills_and_answers_500(vertex):
    vertex.fault("error_after_accept")
    assert_error(vertex.submit(), 500, "INTERNAL")
    assert_done(vertex, "error_after_accept", 500)


def assert_done(vertex: VertexWire, fault: str, status: object) -> None:
    model, operation, *others = vertex.row("model", "operation", "fault", "billed", "status")
    assert others == [fault, True, status]
    assert vertex.poll(f"publishers/google/models/{model}/operations/{operation}")["done"]


def test_safety_block_is_a_success_without_a_video_and_without_a_bill(vertex):
    vertex.fault("safety_block")
    done = vertex.poll(vertex.name())
    assert done["done"]
    assert set(done["response"]) == {"@type", "raiMediaFilteredCount", "raiMediaFilteredReasons"}
    assert done["response"]["raiMediaFilteredCount"] == 1
    assert vertex.row("fault", "billed") == ("safety_block", False)


def test_backwards_is_done_then_running_then_done_for_good(vertex):
    vertex.fault("backwards")
    name = vertex.name()
    assert [vertex.poll(name).get("done", False) for _ in range(4)] == [True, False, True, True]


def test_never_finish_runs_for_ever(vertex):
    vertex.fault("never_finish")
    name = vertex.name()
    assert vertex.poll(name) == {"name": name}


def test_corrupt_download_has_the_right_size_and_is_no_video(vertex):
    sound = vertex.content(vertex.name())
    vertex.fault("corrupt_download")
    spoiled = vertex.content(vertex.name())
    assert len(spoiled) == len(sound)
    assert spoiled[4:8] != b"ftyp"


def test_tiny_download_is_a_byte_too_small(vertex):
    vertex.fault("tiny_download")
    assert len(vertex.content(vertex.name())) == 999


def test_html_download_is_a_page_that_is_not_even_small(vertex):
    vertex.fault("html_download")
    name = vertex.name()
    assert vertex.video(name)["mimeType"].startswith("text/html")
    assert len(vertex.content(name)) > 1000


def test_expired_link_to_the_bucket_fails_twice(vertex):
    vertex.fault("expired_link")
    uri = vertex.video(vertex.name(storageUri="gs://bucket"))["gcsUri"]
    assert [vertex.stored(uri).status_code for _ in range(3)] == [404, 404, 200]


def test_expired_link_keeps_an_announced_video_back_twice(vertex):
    vertex.fault("expired_link")
    name = vertex.name()
    assert [vertex.fetched(name).status_code for _ in range(4)] == [200, 404, 404, 200]


def test_the_answer_that_announces_a_video_is_no_download_of_it(vertex):
    vertex.fault("tiny_download", next_n=1, downloads=1)
    name = vertex.name()
    sizes = [len(vertex.content(name)) for _ in range(3)]
    assert [size < 1000 for size in sizes] == [True, True, False]


def test_every_kind_has_a_test_here():
    tested = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    refused = ["error_500", "error_429", "refuse_400"]
    missing = [
        kind for kind in FaultKind if not any(name.startswith(kind) for name in tested + refused)
    ]
    assert missing == []
