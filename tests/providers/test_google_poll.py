"""Polling Veo over real sockets: every shape of an operation, and every way a poll can fail."""

import pytest

from domain.failures import ProviderFault
from providers.google import GoogleVeo
from providers.protocol import Finished, ProviderError, Refused, Running
from tests.providers.conftest import KEY
from tests.providers.scripted_server import answer, cut, dripping, partial, silence

OPERATION = "models/veo-3.1-generate-preview/operations/abc123"
URI = "https://generativelanguage.googleapis.com/v1beta/files/x1:download?alt=media"


def done(**response: object) -> dict[str, object]:
    return {"name": OPERATION, "done": True, "response": response}


def videos(**response: object) -> dict[str, object]:
    return done(generateVideoResponse=response)


async def fault_of(veo: GoogleVeo) -> ProviderFault:
    with pytest.raises(ProviderError) as raised:
        await veo.poll("veo-3.1", OPERATION)
    return raised.value.fault


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": OPERATION}, Running("running")),
        ({"name": OPERATION, "done": False, "metadata": {"x": [1]}}, Running("running")),
        (videos(generatedSamples=[{"video": {"uri": URI}}]), Finished(URI)),
        (
            videos(generatedSamples=[{"video": {"uri": URI}}], raiMediaFilteredCount=1),
            Finished(URI),
        ),
        (done(generatedVideo={"uri": URI, "mimeType": "video/mp4"}), Finished(URI)),
        (
            videos(raiMediaFilteredCount=1, raiMediaFilteredReasons=["Violence."]),
            Refused(("Violence.",)),
        ),
        (videos(raiMediaFilteredCount=1), Refused(())),
        (
            videos(raiMediaFilteredReasons=[f"{KEY} {n}" for n in range(11)]),
            Refused(tuple(f"[redacted] {n}" for n in range(10))),
        ),
    ],
)
async def test_each_shape_of_an_operation_is_read(veo, server, body, expected):
    """S0-40, S0-41."""
    server.replies(answer(200, body))
    assert await veo.poll("veo-3.1", OPERATION) == expected
    (request,) = server.received
    assert (request.method, request.target) == ("GET", f"/v1beta/{OPERATION}")
    assert request.headers["x-goog-api-key"] == KEY


async def test_a_failed_operation_ends_the_job_with_its_numeric_code(veo, server):
    """S0-41: the code is gRPC's, not HTTP's."""
    error = {"code": 13, "message": "Internal error."}
    server.replies(answer(200, {"name": OPERATION, "done": True, "error": error}))
    assert await fault_of(veo) == ProviderFault(
        kind="permanent", started="unknown", message="Internal error.", code="13"
    )


@pytest.mark.parametrize(
    "body", [{"done": True}, {"done": True, "error": {}}, done(), videos(generatedSamples=[])]
)
async def test_an_end_without_a_video_is_an_end(veo, server, body):
    server.replies(answer(200, body))
    assert (await fault_of(veo)).kind == "permanent"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "permanent"),
        (404, "permanent"),
        (410, "permanent"),
        (401, "transient"),
        (403, "transient"),
        (429, "transient"),
        (500, "transient"),
        (503, "transient"),
    ],
)
async def test_only_an_operation_that_is_gone_ends_the_job(veo, server, status, kind):
    """S0-44, S0-48: a refused key or a busy provider says nothing of the job."""
    server.replies(answer(status, b"whatever"))
    fault = await fault_of(veo)
    assert (fault.kind, fault.status, fault.message) == (kind, status, "whatever")


async def test_a_key_taken_back_while_jobs_run_fails_none_of_them(veo, server):
    """S0-44: Google says 400 to a wrong key."""
    error = {"code": 400, "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}
    server.replies(answer(400, {"error": error}))
    assert (await fault_of(veo)).kind == "transient"


@pytest.mark.parametrize(
    "reply",
    [
        cut,
        silence,
        partial(500, b'{"done": true'),
        dripping(b" " * 100, 0.02),
        answer(200, b"not JSON"),
        answer(200, b"{}".ljust(1_048_577)),
        answer(200, {"done": "yes"}),
        answer(200, videos(generatedSamples=[{"video": {"uri": ""}}])),
        answer(200, videos(generatedSamples=[{"video": {"uri": "x" * 4001}}])),
    ],
)
async def test_a_poll_that_went_wrong_is_asked_again(veo, server, reply):
    server.replies(reply)
    assert (await fault_of(veo)).kind == "transient"


async def test_an_odd_operation_id_stays_within_the_path(veo, server):
    """C19: the name is opaque."""
    server.replies(answer(200, {}))
    await veo.poll("veo-3.1", "models/m/operations/a?b#c d")
    assert server.received[0].target == "/v1beta/models/m/operations/a%3Fb%23c%20d"


async def test_a_cancellation_sends_nothing_because_the_api_has_none(veo, server):
    assert await veo.cancel("veo-3.1", OPERATION) == "not_offered"
    assert not veo.capabilities("veo-3.1").can_cancel
    assert server.received == []
