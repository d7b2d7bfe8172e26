"""Polling and cancelling at fal over real sockets: every way a request can end."""

import pytest

from providers.protocol import (
    Finished,
    ProviderError,
    Refused,
    Running,
)
from tests.providers.conftest import FAL_KEY
from tests.providers.fal_examples import (
    OVER,
    POLICY,
    QUEUED,
    REQUEST,
    SORA,
    SORA_PATH,
    URL,
    VEO,
    VIDEO,
    fault_of,
)
from tests.providers.scripted_server import answer, cut, silence


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, QUEUED, Running("queued", queue_position=0)),
        (202, {**QUEUED, "queue_position": 12}, Running("queued", queue_position=12)),
        (202, {"status": "IN_PROGRESS", "logs": [{"message": "x"}]}, Running("running")),
    ],
)
async def test_a_request_under_way_shows_where_it_stands(fal, server, status, body, expected):
    """S2-26; the app alone is in the path, without what follows it."""
    server.replies(answer(status, body))
    assert await fal.poll(SORA, REQUEST) == expected
    (request,) = server.received
    assert (request.method, request.target) == ("GET", f"{SORA_PATH}/status")
    assert request.headers["authorization"] == f"Key {FAL_KEY}"


async def test_a_finished_request_is_asked_for_its_video(fal, server):
    """S2-27."""
    server.replies(answer(200, OVER), answer(200, VIDEO))
    assert await fal.poll(SORA, REQUEST) == Finished(URL, "v")
    assert [request.target for request in server.received] == [f"{SORA_PATH}/status", SORA_PATH]


@pytest.mark.parametrize("video_id", [None, 7, "", "v" * 201, ["v"]])
async def test_a_video_without_a_usable_id_is_no_worse(fal, server, video_id):
    server.replies(answer(200, OVER), answer(200, {**VIDEO, "video_id": video_id}))
    assert await fal.poll(SORA, REQUEST) == Finished(URL)


@pytest.mark.parametrize("position", [-1, 2**31])
async def test_a_place_in_the_queue_that_cannot_be_is_not_shown(fal, server, position):
    server.replies(answer(202, {**QUEUED, "queue_position": position}))
    assert await fal.poll(SORA, REQUEST) == Running("queued")


async def test_a_model_without_a_path_below_its_app_is_polled_there(fal, server):
    server.replies(answer(200, OVER), answer(200, VIDEO))
    await fal.poll(VEO, REQUEST)
    assert server.received[1].target == f"/fal-ai/veo3.1/requests/{REQUEST}"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (OVER, answer(422, POLICY)),
        ({**OVER, "error": "No."}, answer(422, POLICY)),
        ({**OVER, "error": "No.", "error_type": "content_policy_violation"}, answer(422)),
        ({**OVER, "error": "No.", "error_type": "content_policy_violation"}, answer(200, VIDEO)),
    ],
)
async def test_a_refusal_by_content_policy_is_one_wherever_its_code_stands(
    fal, server, status, result
):
    """S0-79: by the code alone; the words beside it may repeat the prompt."""
    server.replies(answer(200, status), result)
    assert await fal.poll(SORA, REQUEST) == Refused(("content_policy_violation",))


@pytest.mark.parametrize(
    ("status", "result", "code"),
    [
        ({**OVER, "error": "It said content policy."}, answer(500), None),
        ({**OVER, "error": "x", "error_type": "client_cancelled"}, answer(499), "client_cancelled"),
        ({**OVER, "error_type": "request_timeout"}, answer(504), "request_timeout"),
        ({**OVER, "error": "x"}, answer(200, VIDEO), None),
        (
            OVER,
            answer(422, {"detail": [{"type": "image_load_error"}]}),
            "image_load_error",
        ),
        (OVER, answer(422, {"detail": "no list"}), None),
        (OVER, answer(404), None),
    ],
)
async def test_completed_with_an_error_is_a_failure(fal, server, status, result, code):
    """There is no other word for it at fal."""
    server.replies(answer(200, status), result)
    fault = await fault_of(fal, poll=SORA)
    assert (fault.kind, fault.code) == ("permanent", code)


@pytest.mark.parametrize(
    "result",
    [
        answer(503),
        answer(500, {"detail": "x", "error_type": "internal_error"}),
        answer(401),
        answer(200, b"{}"),
        answer(200, {"video": {"url": ""}}),
        answer(200, {"video": {"url": "x" * 4001}}),
        cut,
        silence,
    ],
)
async def test_a_result_that_did_not_arrive_is_asked_for_again(fal, server, result):
    server.replies(answer(200, OVER), result)
    assert (await fault_of(fal, poll=SORA)).kind == "transient"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((ended, "permanent") for ended in (400, 404, 410, 422)),
        *((passing, "transient") for passing in (401, 402, 403, 429, 500, 502, 503, 504)),
    ],
)
async def test_only_a_request_that_is_gone_ends_the_job(fal, server, status, kind):
    """S0-44, S0-48: a refused key or an empty purse says nothing of the job."""
    server.replies(answer(status))
    assert (await fault_of(fal, poll=SORA)).kind == kind


@pytest.mark.parametrize("body", [{"status": "FAILED"}, {}, b"x"])
async def test_a_status_that_fal_does_not_have_is_asked_again(fal, server, body):
    server.replies(answer(200, body))
    assert (await fault_of(fal, poll=SORA)).kind == "transient"


@pytest.mark.parametrize(
    ("status", "said"),
    [(200, "accepted"), (202, "accepted"), (400, "too_late"), (404, "too_late")],
)
async def test_a_cancellation_is_asked_for_once_and_its_answer_told(fal, server, status, said):
    """S1-24."""
    server.replies(answer(status, {"status": "CANCELLATION_REQUESTED"}))
    assert await fal.cancel(SORA, REQUEST) == said
    (request,) = server.received
    assert (request.method, request.target) == ("PUT", f"{SORA_PATH}/cancel")
    assert fal.capabilities(SORA).can_cancel


async def test_a_cancellation_that_failed_is_told(fal, server):
    server.replies(answer(500))
    with pytest.raises(ProviderError):
        await fal.cancel(SORA, REQUEST)
