"""The wire format of fal's queue, request by request, and what each fault does there."""

import io
import re
import time
from contextlib import closing
from typing import Any

import av
import httpx
import pytest

from tests.simulator.conftest import DEADLINE_SECONDS, FAL_VEO, FOX, MODEL, FalWire, running

SORA = "fal-ai/sora-2/image-to-video"
IMAGE = "https://example.com/fox.png"


def test_a_submission_is_queued_and_told_where_to_ask(fal):
    request = fal.queued(SORA, image_url=IMAGE)
    request_id = request.pop("request_id")
    url = f"{fal.url}/fal-ai/sora-2/requests/{request_id}"
    assert request == {
        "status": "IN_QUEUE",
        "gateway_request_id": request_id,
        "queue_position": 0,
        "response_url": url,
        "status_url": f"{url}/status",
        "cancel_url": f"{url}/cancel",
    }
    assert fal.row("provider", "model", "operation", "prompt", "billed", "status") == (
        "fal",
        SORA,
        request_id,
        "a red fox",
        True,
        200,
    )


def test_addresses_are_built_from_the_host_that_the_client_named(fal):
    answer = fal.http.post(f"/{FAL_VEO}", json=FOX, headers={"host": "queue.test:81"})
    assert answer.json()["status_url"].startswith("http://queue.test:81/fal-ai/veo3.1/requests/")


@pytest.mark.parametrize(
    ("endpoint", "arguments", "size", "seconds"),
    [
        (
            FAL_VEO,
            {"duration": "6s", "resolution": "1080p", "aspect_ratio": "9:16"},
            (1080, 1920),
            6,
        ),
        (SORA, {"duration": 12, "image_url": "data:image/png;base64,AA=="}, (1280, 720), 12),
        (f"{SORA}/pro", {"resolution": "1080p", "image_url": IMAGE}, (1920, 1080), 4),
        ("bytedance/seedance-2.0/image-to-video", {"image_url": IMAGE}, (1280, 720), 4),
    ],
)
def test_the_result_names_a_real_video(fal, endpoint, arguments, size, seconds):
    request = fal.queued(endpoint, **arguments)
    answer = fal.result(request)
    assert (answer.status_code, answer.headers["x-fal-request-id"]) == (200, request["request_id"])
    video = answer.json()["video"]
    url = video.pop("url")
    assert re.fullmatch(rf"{fal.url}/files/[0-9a-f]+/output\.mp4", url)
    assert video == {
        "content_type": "video/mp4",
        "file_name": "output.mp4",
        "width": size[0],
        "height": size[1],
        "fps": 24.0,
        "duration": seconds,
    }
    assert answer.json()["video_id"]
    file = httpx.get(url)  # without a key
    assert file.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(file.content)) as container:
        (stream,) = container.streams
        assert (stream.width, stream.height) == size
        assert container.duration == seconds * av.time_base


def test_a_request_waits_then_runs_then_is_completed(fal):
    fal.clock(1)
    request = fal.queued()
    seen: dict[str, httpx.Response] = {}
    deadline = time.monotonic() + DEADLINE_SECONDS
    while "COMPLETED" not in seen:
        assert time.monotonic() < deadline, seen
        answer = fal.status(request, logs="true")
        seen[answer.json()["status"]] = answer
    assert {status: answer.status_code for status, answer in seen.items()} == {
        "IN_QUEUE": 202,
        "IN_PROGRESS": 202,
        "COMPLETED": 200,
    }
    queued, started, completed = (answer.json() for answer in seen.values())
    assert queued == request
    (line,) = started["logs"]
    assert set(line) == {"timestamp", "level", "message", "source"}
    assert len(completed["logs"]) == 2
    assert completed["metrics"] == {"inference_time": 0.8}
    assert "error" not in completed


@pytest.mark.parametrize(
    ("query", "given"), [({}, False), ({"logs": 0}, False), ({"logs": 1}, True)]
)
def test_logs_are_given_when_they_are_asked_for(fal, query, given):
    assert (fal.status(fal.queued(), **query).json()["logs"] is not None) is given


def test_a_queue_position_counts_those_before():
    with running() as alone, closing(FalWire(alone.url)) as fal:
        fal.clock(3600)
        first, second = fal.queued(), fal.queued()
        assert [each["queue_position"] for each in (first, second)] == [0, 1]
        assert fal.status(second).json()["queue_position"] == 1
        fal.cancel(first)
        assert fal.status(second).json()["queue_position"] == 0


def test_the_result_of_an_unfinished_request_is_refused(fal):
    fal.clock(3600)
    answer = fal.result(fal.queued())
    assert (answer.status_code, answer.json()["error_type"]) == (400, "bad_request")


def test_a_request_cancelled_in_the_queue_is_not_billed(fal):
    fal.clock(3600)
    request = fal.queued()
    answer = fal.cancel(request)
    assert (answer.status_code, answer.json()) == (200, {"status": "OK"})
    assert_cancelled(fal, request)
    assert fal.row("billed") == (False,)


def test_a_request_cancelled_while_it_runs_is_billed(fal):
    fal.fault("never_finish")
    request = fal.queued()
    answer = fal.cancel(request)
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    assert_cancelled(fal, request)
    assert fal.row("billed") == (True,)


def assert_cancelled(fal: FalWire, request: dict[str, Any]) -> None:
    status = fal.status(request, logs=1)
    assert (status.status_code, status.json()["status"]) == (200, "COMPLETED")
    assert status.json()["error"]
    assert (status.json()["error_type"], status.json()["logs"]) == ("client_cancelled", [])
    result = fal.result(request)
    assert (result.status_code, result.json()["error_type"]) == (499, "client_cancelled")
    assert fal.cancel(request).json() == {"status": "ALREADY_COMPLETED"}


def test_what_is_over_or_unknown_cannot_be_cancelled(fal):
    request = fal.queued()
    over = fal.cancel(request)
    assert (over.status_code, over.json()) == (400, {"status": "ALREADY_COMPLETED"})
    unknown = fal.http.put(f"/{FAL_VEO}/requests/none/cancel")
    assert (unknown.status_code, unknown.json()) == (404, {"status": "NOT_FOUND"})
    assert fal.result(request).status_code == 200


def test_a_cancellation_outlives_the_process(tmp_path):
    with running(state=tmp_path) as before, closing(FalWire(before.url)) as fal:
        fal.clock(3600)
        request = fal.queued()
        fal.cancel(request)
    with running(state=tmp_path) as after, closing(FalWire(after.url)) as fal:
        path = httpx.URL(request["status_url"]).path
        assert fal.http.get(path).json()["error_type"] == "client_cancelled"
        assert fal.row("billed") == (False,)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "place", "kind"),
    [
        (SORA, {}, ["body", "image_url"], "missing"),
        (SORA, {"image_url": "fox.png"}, ["body", "image_url"], "string_pattern_mismatch"),
        (SORA, {"image_url": IMAGE, "duration": "8"}, ["body", "duration"], "literal_error"),
        (
            SORA,
            {"image_url": IMAGE, "resolution": "1080p"},
            ["body", "resolution"],
            "literal_error",
        ),
        (FAL_VEO, {"duration": 8}, ["body", "duration"], "literal_error"),
        (FAL_VEO, {"prompt": ""}, ["body", "prompt"], "string_too_short"),
        (FAL_VEO, {"prompt": None}, ["body", "prompt"], "string_type"),
    ],
)
def test_an_input_that_the_model_refuses_is_named(fal, endpoint, arguments, place, kind):
    answer = fal.order(endpoint, **arguments)
    assert (answer.status_code, answer.headers["x-fal-retryable"]) == (422, "false")
    (detail,) = answer.json()["detail"]
    assert (detail["loc"], detail["type"]) == (place, kind)
    assert {"msg", "input", "url"} <= set(detail)
    assert fal.row("billed", "operation", "status") == (False, None, 422)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b'{"prompt": "\\ud800"}'])
def test_a_bad_body_is_refused_and_counted(fal, body):
    assert fal.http.post(f"/{FAL_VEO}", content=body).status_code == 422
    assert fal.row("status", "prompt") == (422, None)


def test_what_the_model_does_not_know_is_ignored(fal):
    assert fal.order(colour="red").status_code == 200


@pytest.mark.parametrize("key", ["", "Key", "Bearer key", "Key invalid"])
def test_every_request_needs_a_key(fal, key):
    request = fal.queued()
    paths = {"status_url": "GET", "response_url": "GET", "cancel_url": "PUT"}
    asked = [(method, request[name]) for name, method in paths.items()]
    for method, url in [*asked, ("POST", f"/{FAL_VEO}")]:
        answer = fal.http.request(method, url, headers={"authorization": key})
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])


@pytest.mark.parametrize(
    ("method", "path", "http_status"),
    [
        ("POST", "fal-ai/none", 404),
        ("POST", "fal-ai/veo3.1/none", 404),
        ("POST", "nobody/veo3.1", 404),
        ("GET", "fal-ai/veo3.1/requests/none", 404),
        ("GET", "fal-ai/veo3.1/requests/none/status", 404),
        ("GET", "fal-ai/sora-2/image-to-video/requests/none", 405),  # the subpath is for submit
        ("GET", "files/none/output.mp4", 404),
    ],
)
def test_what_is_unknown_is_not_found(fal, method, path, http_status):
    assert fal.http.request(method, f"/{path}").status_code == http_status


def test_a_request_is_known_to_its_own_app_and_provider_only(fal):
    request_id = fal.queued()["request_id"]
    assert fal.http.get(f"/fal-ai/sora-2/requests/{request_id}").status_code == 404
    key = {"x-goog-api-key": "key"}
    path = f"/v1/models/{MODEL}/operations/{request_id}"
    assert fal.http.get(path, headers=key).status_code == 404
