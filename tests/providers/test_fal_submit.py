"""Submitting to fal over real sockets: what is sent, what each answer means for paid work."""

import socket
import traceback

import pytest
from pydantic import SecretStr

from domain.failures import ProviderFault
from providers.fal import FalQueue
from providers.protocol import (
    ProviderError,
)
from runtime.settings import Settings
from tests.providers.conftest import FAL_KEY, HURRIED
from tests.providers.fal_examples import (
    IMAGE,
    POLICY,
    QUEUED,
    REQUEST,
    SORA_ORDER,
    VEO_ORDER,
    fault_of,
)
from tests.providers.scripted_server import answer, cut, dripping, partial, silence


@pytest.mark.parametrize(
    ("submission", "path", "body"),
    [
        (
            SORA_ORDER,
            "/fal-ai/sora-2/image-to-video",
            {
                "prompt": "The fox runs.",
                "image_url": IMAGE,
                "resolution": "auto",
                "aspect_ratio": "auto",
                "duration": 4,
            },
        ),
        (
            VEO_ORDER,
            "/fal-ai/veo3.1",
            {
                "prompt": "A red kite.",
                "negative_prompt": "rain",
                "resolution": "1080p",
                "aspect_ratio": "9:16",
                "duration": "8s",
                "generate_audio": True,
                "auto_fix": False,
            },
        ),
    ],
)
async def test_each_model_is_asked_in_its_own_words(fal, server, submission, path, body):
    """S2-21, S2-22, S2-23, S2-28, S2-29, S2-30."""
    server.replies(answer(200, QUEUED))
    assert await fal.submit(submission) == REQUEST
    (request,) = server.received
    assert (request.method, request.target) == ("POST", path)
    assert request.headers["authorization"] == f"Key {FAL_KEY}"
    assert request.document == body


async def test_each_submission_has_a_connection_of_its_own(fal, server):
    """A connection that fal closed meanwhile would leave paid work unknown (C18)."""
    server.replies(answer(200, QUEUED))
    await fal.submit(SORA_ORDER)
    await fal.submit(SORA_ORDER)
    assert [request.connection for request in server.received] == [1, 2]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (302, ("transient", "unknown", None)),
        (400, ("rejected", "no", None)),
        (401, ("permanent", "no", "key")),
        (402, ("permanent", "no", "billing")),
        (403, ("permanent", "no", "billing")),
        (404, ("permanent", "no", "model")),
        (408, ("transient", "no", None)),
        (422, ("rejected", "no", None)),
        (429, ("transient", "no", "quota")),
        (499, ("transient", "unknown", None)),
        (500, ("transient", "unknown", None)),
        (502, ("transient", "unknown", None)),
        (503, ("transient", "no", None)),
        (504, ("transient", "unknown", None)),
    ],
)
async def test_the_status_alone_says_whether_work_may_have_begun(fal, server, status, verdict):
    """C18: the body's words play no part."""
    kind, started, lacks = verdict
    server.replies(answer(status, b"content policy? nginx? who knows"))
    assert await fault_of(fal) == ProviderFault(
        kind=kind,
        started=started,
        message=f"HTTP {status}: without a code",
        status=status,
        lacks=lacks,
    )
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_what_fal_says_of_our_account_is_kept_for_operators(fal, server, status):
    """A locked account and an empty purse have no code: only the words tell them apart."""
    server.replies(answer(status, {"detail": "User is locked. Reason: Exhausted balance."}))
    fault = await fault_of(fal)
    assert fault.message == f"HTTP {status}: User is locked. Reason: Exhausted balance."


async def test_an_order_that_breaks_the_content_policy_is_a_matter_of_safety(fal, server):
    """S0-86: fal names no category and no confidence, so neither do we."""
    server.replies(answer(422, POLICY))
    assert (await fault_of(fal)).safety_category == "unspecified"


async def test_a_busy_answer_that_names_a_request_leaves_the_outcome_unknown(fal, server):
    server.replies(answer(503, b"", X_Fal_Request_Id=REQUEST))
    assert (await fault_of(fal)).started == "unknown"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(400, {"detail": "A fox.", "error_type": "bad_request"}), "bad_request"),
        (
            answer(429, b"", X_Fal_Error_Type="concurrent_requests_limit"),
            "concurrent_requests_limit",
        ),
        (answer(422, POLICY), "content_policy_violation"),
        (answer(405, {"detail": "A fox."}), None),
    ],
)
async def test_a_fault_has_its_code_and_never_the_words(fal, server, reply, code):
    """fal's texts may repeat the prompt."""
    server.replies(reply)
    fault = await fault_of(fal)
    assert fault.code == code
    assert "fox" not in fault.message


@pytest.mark.parametrize(
    "reply",
    [
        cut,
        silence,
        partial(500, b'{"request_id": "'),
        dripping(b" " * 100, 0.02),
        answer(200, b"<html>"),
        answer(200, {"status": "IN_QUEUE"}),
        answer(200, {"request_id": "../x"}),
        answer(200, {"request_id": "a" * 201}),
        answer(200, QUEUED, Content_Encoding="gzip"),
    ],
)
async def test_an_answer_lost_or_garbled_leaves_the_outcome_unknown(fal, server, reply):
    """C18: fal takes no key of ours, so a repeat would be a second paid job."""
    server.replies(reply)
    fault = await fault_of(fal)
    assert (fault.kind, fault.started) == ("transient", "unknown")
    assert len(server.received) == 1


async def test_a_refused_connection_surely_started_nothing(settings):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        fal = FalQueue(settings.model_copy(update={"fal_queue_base_url": base_url}), HURRIED)
        fault = await fault_of(fal)
        await fal.close()
    assert (fault.kind, fault.started) == ("transient", "no")


async def test_fal_may_ask_to_be_left_alone_for_a_while(fal, server):
    server.replies(answer(429, b"", Retry_After="7"))
    with pytest.raises(ProviderError) as raised:
        await fal.submit(SORA_ORDER)
    assert raised.value.retry_after_seconds == 7


async def test_the_key_shows_nowhere_although_fal_repeats_it(fal, server, caplog, capfd):
    """I28."""
    server.replies(answer(403, {"detail": FAL_KEY, "error_type": FAL_KEY}))
    with pytest.raises(ProviderError) as raised:
        await fal.submit(SORA_ORDER)
    shown = [
        str(vars(fal)),
        repr(raised.value.fault),
        "".join(traceback.format_exception(raised.value)),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert not [text for text in shown if FAL_KEY[:10] in text]


@pytest.mark.parametrize(
    ("changed", "variable"),
    [
        ({"fal_key": SecretStr("two words")}, "FAL_KEY"),
        ({"fal_queue_base_url": "queue.fal.run"}, "FAL_QUEUE_BASE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_start(settings, changed, variable):
    with pytest.raises(ValueError, match=variable):
        FalQueue(settings.model_copy(update=changed))


@pytest.mark.parametrize("variable", ["FAL_KEY", "FALAI_API_KEY"])
def test_the_key_has_two_names(monkeypatch, variable):
    """S2-22."""
    monkeypatch.setenv(variable, "id:secret")
    assert Settings().fal_key.get_secret_value() == "id:secret"
    assert Settings().fal_queue_base_url == "https://queue.fal.run"
