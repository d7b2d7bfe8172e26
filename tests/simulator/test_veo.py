"""The wire format of Veo, request by request."""

import re

import httpx
import pytest

from simulator.server import BODY_BYTES_MAX
from tests.simulator.conftest import MODEL, Wire

DONE_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"


def assert_error(answer: httpx.Response, http_status: int, status: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (
        http_status,
        http_status,
        status,
    )
    assert error["message"]


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_a_generation_is_submitted_polled_and_downloaded_under_both_versions(wire, version):
    submitted = wire.submit(version=version)
    name = submitted.json()["name"]
    assert submitted.json() == {"name": name}
    assert re.fullmatch(rf"models/{MODEL}/operations/[a-z0-9]+", name)

    done = wire.poll(name, version)
    uri = done["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
    assert done == {
        "name": name,
        "done": True,
        "response": {
            "@type": DONE_TYPE,
            "generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]},
        },
    }
    file = re.fullmatch(
        r"https://generativelanguage\.googleapis\.com/v1beta/"
        r"(files/[a-z0-9]+:download\?alt=media)",
        uri,
    )
    assert file

    video = wire.http.get(f"/{version}/{file[1]}")
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    assert len(video.content) > 1000


def test_a_running_operation_carries_its_name_only(wire):
    wire.http.post("/_control/clock", json={"seconds": 3600}).raise_for_status()
    name = wire.name()
    assert wire.poll(name) == {"name": name}


def test_the_time_of_a_generation_is_taken_at_its_submission(wire):
    done = wire.name()
    wire.http.post("/_control/clock", json={"seconds": 3600}).raise_for_status()
    running = wire.name()
    wire.http.post("/_control/clock", json={"seconds": 0}).raise_for_status()
    assert wire.poll(done)["done"]
    assert "done" not in wire.poll(running)


def test_several_samples_are_several_files(wire):
    result = wire.poll(wire.name(sampleCount=2))["response"]["generateVideoResponse"]
    assert len({sample["video"]["uri"] for sample in result["generatedSamples"]}) == 2


@pytest.mark.parametrize(
    "parameters",
    [
        {"durationSeconds": "6"},
        {"durationSeconds": 4, "resolution": "1080p", "aspectRatio": "9:16"},
        {"duration_seconds": 8, "aspect_ratio": "16:9"},
        {"negativePrompt": "rain", "personGeneration": "allow_all", "enhancePrompt": True},
    ],
)
def test_what_the_api_offers_is_accepted(wire, parameters):
    assert wire.submit(**parameters).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"durationSeconds": 5}, "durationSeconds"),
        ({"durationSeconds": "eight"}, "durationSeconds"),
        ({"durationSeconds": True}, "durationSeconds"),
        ({"durationSeconds": [8]}, "durationSeconds"),
        ({"aspectRatio": "1:1"}, "aspectRatio"),
        ({"resolution": "4k"}, "resolution"),
        ({"resolution": {}}, "resolution"),
        ({"sampleCount": 5}, "sampleCount"),
        ({"personGeneration": "some"}, "personGeneration"),
        ({"negativePrompt": 1}, "negativePrompt"),
        ({"enhancePrompt": "yes"}, "enhancePrompt"),
        ({"generateAudio": True}, "generateAudio"),
    ],
)
def test_a_parameter_that_the_api_refuses_is_named(wire, parameters, named):
    answer = wire.submit(**parameters)
    assert_error(answer, 400, "INVALID_ARGUMENT")
    assert named in answer.json()["error"]["message"]
    assert [(row["status"], row["billed"]) for row in wire.rows()] == [(400, False)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"instances": []}',
        b'{"instances": [{}]}',
        b'{"instances": [{"prompt": " "}]}',
        b'{"instances": [{"prompt": 7}]}',
        b'{"instances": [{"prompt": "a"}, {"prompt": "b"}]}',
        b'{"instances": [{"prompt": "a"}], "parameters": []}',
        b'{"instances": [{"prompt": "\\ud800"}]}',
        b'\xff{"instances": [{"prompt": "a"}]}',
        b"[" * 100_000,
    ],
)
def test_a_bad_body_is_refused_and_counted(wire, body):
    answer = wire.http.post(f"/v1beta/models/{MODEL}:predictLongRunning", content=body)
    assert_error(answer, 400, "INVALID_ARGUMENT")
    assert [row["status"] for row in wire.rows()] == [400]


def test_a_body_beyond_the_limit_is_refused(wire):
    prompt = "a" * BODY_BYTES_MAX
    try:
        answer = wire.submit(prompt)
    except httpx.TransportError:  # the answer came, and the connection ended, before all was sent
        pass
    else:
        assert_error(answer, 400, "INVALID_ARGUMENT")
    assert [(row["status"], row["prompt"]) for row in wire.rows()] == [(400, None)]


def test_an_image_may_stand_in_for_the_prompt(wire):
    body = {"instances": [{"image": {"bytesBase64Encoded": "AA==", "mimeType": "image/png"}}]}
    answer = wire.http.post(f"/v1beta/models/{MODEL}:predictLongRunning", json=body)
    assert wire.download(answer.json()["name"]).status_code == 200


def paths(wire: Wire) -> list[tuple[str, str]]:
    name = wire.name()
    return [
        ("POST", f"/v1beta/models/{MODEL}:predictLongRunning"),
        ("GET", f"/v1beta/{name}"),
        ("GET", wire.file(name).raw_path.decode()),
    ]


def test_every_request_needs_a_key(wire):
    for method, path in paths(wire):
        with httpx.Client(base_url=wire.url) as http:
            assert_error(http.request(method, path), 403, "PERMISSION_DENIED")


def test_a_wrong_key_is_an_invalid_argument_with_its_own_reason(wire):
    for method, path in paths(wire):
        answer = wire.http.request(method, path, headers={"x-goog-api-key": "invalid"})
        assert_error(answer, 400, "INVALID_ARGUMENT")
        (detail,) = answer.json()["error"]["details"]
        assert detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
        assert (detail["reason"], detail["domain"]) == ("API_KEY_INVALID", "googleapis.com")


def test_the_key_may_stand_in_the_query(wire):
    name = wire.name()
    assert httpx.get(f"{wire.url}/v1beta/{name}?key=key").json()["done"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "models/veo-9:predictLongRunning"),
        ("POST", f"models/{MODEL}:generateContent"),
        ("GET", f"models/{MODEL}/operations/none"),
        ("GET", "files/none:download?alt=media"),
        ("GET", "nothing"),
    ],
)
def test_what_is_unknown_is_not_found(wire, method, path):
    assert_error(wire.http.request(method, f"/v1beta/{path}"), 404, "NOT_FOUND")


def test_an_operation_is_known_to_its_own_model_only(wire):
    other = wire.name().replace(MODEL, "veo-3.1-fast-generate-preview")
    assert_error(wire.http.get(f"/v1beta/{other}"), 404, "NOT_FOUND")


def test_a_download_needs_alt_media(wire):
    path = wire.file(wire.name()).path
    assert_error(wire.http.get(path), 400, "INVALID_ARGUMENT")
