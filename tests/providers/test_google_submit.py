"""Submitting to Veo over real sockets: what is sent, and what each answer means for paid work."""

import asyncio
import socket
import traceback
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from domain.failures import ProviderFault
from providers.google import GoogleVeo
from providers.protocol import ProviderError, Submission
from runtime.settings import Settings
from schemas.requests import PrivatePrompt, VideoSettings
from tests.providers.conftest import KEY
from tests.providers.scripted_server import (
    Reply,
    answer,
    cut,
    dripping,
    partial,
    silence,
)

SETTINGS = VideoSettings(
    model="veo-3.1", duration_seconds=6, resolution="720p", aspect_ratio="16:9"
)
OPERATION = "models/veo-3.1-generate-preview/operations/abc123"
STARTED = answer(200, {"name": OPERATION})


def submission(prompt: str = "A red kite.", negative_prompt: str | None = None) -> Submission:
    words = PrivatePrompt(prompt=prompt, negative_prompt=negative_prompt)
    return Submission("00000000-0000-0000-0000-000000000001", SETTINGS, words)


async def fault_of(veo: GoogleVeo, order: Submission | None = None) -> ProviderFault:
    with pytest.raises(ProviderError) as raised:
        await veo.submit(order or submission())
    return raised.value.fault


async def test_a_video_is_asked_for_as_the_api_documents(veo, server):
    """S0-37, S0-38, S0-39, C19."""
    server.replies(STARTED)
    assert await veo.submit(submission(negative_prompt="rain")) == OPERATION
    (request,) = server.received
    assert request.method == "POST"
    assert request.target == "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"
    assert request.headers["x-goog-api-key"] == KEY
    assert request.document == {
        "instances": [{"prompt": "A red kite."}],
        "parameters": {
            "aspectRatio": "16:9",
            "resolution": "720p",
            "durationSeconds": 6,
            "sampleCount": 1,
            "negativePrompt": "rain",
        },
    }


async def test_without_a_negative_prompt_the_field_is_absent(veo, server):
    """S0-39."""
    server.replies(STARTED)
    await veo.submit(submission())
    assert "negativePrompt" not in server.received[0].document["parameters"]


async def test_address_version_and_model_come_from_the_settings(server, settings):
    """C19."""
    changed = {
        "google_base_url": f"{server.base_url}/proxy/",
        "google_api_version": "v1",
        "google_veo_model": "veo-4/beta",
    }
    veo = GoogleVeo(settings.model_copy(update=changed))
    server.replies(STARTED)
    await veo.submit(submission())
    await veo.close()
    assert server.received[0].target == "/proxy/v1/models/veo-4%2Fbeta:predictLongRunning"


async def test_each_submission_has_a_connection_of_its_own(veo, server):
    """A connection that the provider closed meanwhile would leave paid work unknown (C18)."""
    server.replies(STARTED)
    await veo.submit(submission())
    await veo.submit(submission())
    assert [request.connection for request in server.received] == [1, 2]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (301, ("transient", "unknown", None)),
        (400, ("rejected", "no", None)),
        (401, ("permanent", "no", "key")),
        (403, ("permanent", "no", "permission")),
        (404, ("permanent", "no", "model")),
        (408, ("transient", "no", None)),
        (413, ("permanent", "no", None)),
        (429, ("transient", "no", "quota")),
        (499, ("transient", "unknown", None)),
        (500, ("transient", "unknown", None)),
        (502, ("transient", "unknown", None)),
        (503, ("transient", "no", None)),
        (504, ("transient", "unknown", None)),
    ],
)
async def test_the_status_alone_says_whether_work_may_have_begun(veo, server, status, verdict):
    """S0-42, C18: the body's words play no part."""
    kind, started, lacks = verdict
    server.replies(answer(status, b"quota? safety? who knows"))
    fault = await fault_of(veo)
    assert fault == ProviderFault(
        kind=kind,
        started=started,
        message="quota? safety? who knows",
        status=status,
        lacks=lacks,
    )
    assert len(server.received) == 1


def google_error(status: str, *details: object) -> dict[str, object]:
    return {"error": {"code": 400, "message": "No.", "status": status, "details": [*details]}}


KEY_INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (google_error("INVALID_ARGUMENT"), "rejected", "INVALID_ARGUMENT"),
        ([google_error("INVALID_ARGUMENT")], "rejected", "INVALID_ARGUMENT"),
        (
            google_error("INVALID_ARGUMENT", {"reason": 7}, KEY_INVALID),
            "permanent",
            KEY_INVALID["reason"],
        ),
        (google_error("FAILED_PRECONDITION"), "permanent", "FAILED_PRECONDITION"),
    ],
)
async def test_our_own_key_or_billing_is_not_the_clients_fault(veo, server, body, kind, code):
    server.replies(answer(400, body))
    fault = await fault_of(veo)
    assert (fault.kind, fault.started, fault.code) == (kind, "no", code)


@pytest.mark.parametrize(
    "reply",
    [
        cut,
        silence,
        partial(500, b'{"name": "models/'),
        dripping(b" " * 100, 0.02),
        answer(200, b"<html>Hello</html>"),
        answer(200, b""),
        answer(204),
        answer(200, {"done": False}),
        answer(200, {"name": 7}),
        answer(200, {"name": "a" * 501}),
        answer(200, {"name": "models/../operations/abc"}),
        answer(200, {"name": "models/m/operations/a?b=c"}),
        answer(200, b"[" * 100_000),
        answer(200, b'{"name": "models/m/operations/1"}'.ljust(1_048_577)),
        answer(200, {"name": OPERATION}, Content_Encoding="gzip"),
    ],
)
async def test_an_answer_lost_or_garbled_after_the_upload_leaves_the_outcome_unknown(
    veo, server, reply: Reply
):
    """C18: nothing but "unknown" may be said, and the request went out once."""
    server.replies(reply)
    async with asyncio.timeout(5):
        fault = await fault_of(veo)
    assert (fault.kind, fault.started) == ("transient", "unknown")
    assert len(server.received) == 1


async def test_an_answer_of_exactly_the_limit_is_read(veo, server):
    text = b'{"name": "%s"}' % OPERATION.encode()
    server.replies(answer(200, text.ljust(1_048_576)))
    assert await veo.submit(submission()) == OPERATION


async def test_a_proxy_of_the_environment_is_not_for_this_machine(settings, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.replies(STARTED)
    veo = GoogleVeo(settings)
    assert await veo.submit(submission()) == OPERATION
    await veo.close()


async def test_a_refused_connection_surely_started_nothing(settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        veo = GoogleVeo(settings.model_copy(update={"google_base_url": base_url}))
        fault = await fault_of(veo)
        await veo.close()
    assert (fault.kind, fault.started, fault.status) == ("transient", "no", None)


@pytest.mark.parametrize(
    ("header", "details", "seconds"),
    [
        ("7", [], 7.0),
        ("86400", [], 3600.0),
        ("31536000", [], 3600.0),
        ("0", [], 0.0),
        ("-1", [], None),
        ("soon", [], None),
        (None, [{"retryDelay": "27s"}], 27.0),
        (None, [{"retryDelay": "0.5s"}], 0.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", [], None),
        (None, [], None),
    ],
)
async def test_the_provider_may_ask_to_be_left_alone_for_a_while(
    veo, server, header, details, seconds
):
    headers = {"Retry_After": header} if header else {}
    server.replies(answer(429, google_error("RESOURCE_EXHAUSTED", *details), **headers))
    with pytest.raises(ProviderError) as raised:
        await veo.submit(submission())
    assert raised.value.retry_after_seconds == seconds


async def test_the_key_shows_nowhere_although_the_provider_repeats_it(veo, server, caplog, capfd):
    """S0-43, I28: not in a fault, a repr, a traceback, a log line or a count."""
    server.replies(answer(403, (f"{'x' * 1980} {KEY} " * 9).encode()))
    with pytest.raises(ProviderError) as raised:
        await veo.submit(submission())
    shown = [
        repr(veo),
        str(vars(veo)),
        repr(raised.value.fault),
        "".join(traceback.format_exception(raised.value)),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert not [text for text in shown if KEY[:10] in text]
    assert len(raised.value.fault.message) == 2000


async def test_a_broken_call_shows_no_key_either(veo, server):
    """I28: httpx's own error holds the request and its headers."""
    server.replies(cut)
    with pytest.raises(ProviderError) as raised:
        await veo.submit(submission())
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("key", ["", "two words", "line\n", "schlüssel"])
def test_a_key_that_cannot_be_one_is_refused_at_start_without_being_shown(settings, key):
    """S0-43, I28."""
    broken = Settings(google_api_key=key, google_base_url=settings.google_base_url)
    with pytest.raises(ValueError, match="GOOGLE_AI_API_KEY") as raised:
        GoogleVeo(broken)
    assert not key or key not in str(raised.value)


@pytest.mark.parametrize("url", ["", "google.com", "ftp://host", "http://", "https://h?a=b"])
def test_a_base_url_that_cannot_work_is_refused_at_start(settings, url):
    with pytest.raises(ValueError, match="GOOGLE_AI_BASE_URL"):
        GoogleVeo(settings.model_copy(update={"google_base_url": url}))


def count(outcome: str) -> float:
    labels = {"provider": "google", "call": "submit", "outcome": outcome}
    return REGISTRY.get_sample_value("tapeworks_provider_calls_total", labels) or 0.0


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [(STARTED, "ok"), (answer(400), "rejected"), (answer(429), "transient"), (cut, "unknown")],
)
async def test_every_call_is_counted_by_its_outcome(veo, server, reply, outcome):
    server.replies(reply)
    before = count(outcome)
    with suppress(ProviderError):
        await veo.submit(submission())
    assert count(outcome) == before + 1
