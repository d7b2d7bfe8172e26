"""fal's own client, as it is, from end to end.

It reads its host when it is imported and speaks nothing but TLS, so each test's few lines run in a
process of their own, pointed at the door with TLS by the environment alone.
"""

import io
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import av
import httpx
import pytest

from simulator.certificate import ensure_key_pair
from simulator.server import TlsDoor, listen
from tests.simulator.conftest import DEADLINE_SECONDS, FalWire, running

PREAMBLE = """
import json
import fal_client

def say(**facts):
    print(json.dumps(facts))

FOX = {"prompt": "a red fox", "image_url": "https://example.com/fox.png", "duration": 8}
SORA = "fal-ai/sora-2/image-to-video"
"""
Script = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> Iterator[tuple[FalWire, dict[str, str]]]:
    pair = ensure_key_pair(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    with listen("127.0.0.1", 0) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        environment = {
            "FAL_KEY": "id:secret",
            "FAL_RUN_HOST": host,
            "FAL_QUEUE_RUN_HOST": host,
            "SSL_CERT_FILE": str(pair.certificate),
        }
        with (
            running(door=TlsDoor(listener, pair.context())) as plain,
            closing(FalWire(plain.url)) as fal,
        ):
            yield fal, environment


@pytest.fixture
def fal(door) -> FalWire:
    served, _ = door
    served.http.delete("/_control/faults").raise_for_status()
    served.http.delete("/_control/submissions").raise_for_status()
    served.clock(0)
    return served


@pytest.fixture
def script(door, fal) -> Script:
    """Give a way to run some lines against a simulator as if new."""
    assert fal
    _, environment = door

    def run(lines: str) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(lines)],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return dict(json.loads(ended.stdout))

    return run


def test_a_video_is_made_from_end_to_end(fal, script):
    fal.clock(1)
    said = script(
        """
        seen = []
        result = fal_client.subscribe(
            SORA, FOX, with_logs=True, on_queue_update=lambda update: seen.append(update)
        )
        logs = [line["message"] for line in seen[-1].logs]
        say(result=result, seen=[type(update).__name__ for update in seen], logs=logs)
        """
    )
    assert list(dict.fromkeys(said["seen"])) == ["Queued", "InProgress", "Completed"]
    assert said["logs"] == ["Generation started.", "Generation finished."]
    video = said["result"]["video"]
    url = httpx.URL(video["url"])
    assert url.scheme == "https"
    content = fal.http.get(url.path).content
    with av.open(io.BytesIO(content)) as container:
        (stream,) = container.streams
        assert (stream.width, stream.height) == (video["width"], video["height"])
        assert container.duration == 8 * av.time_base
    assert fal.row("model", "billed") == ("fal-ai/sora-2/image-to-video", True)


def test_a_request_is_found_again_by_its_id(script):
    said = script(
        """
        handle = fal_client.submit("fal-ai/veo3.1", {"prompt": "a red fox"})
        status = fal_client.status("fal-ai/veo3.1", handle.request_id)
        result = fal_client.result("fal-ai/veo3.1", handle.request_id)
        say(status=type(status).__name__, result=result)
        """
    )
    assert said["status"] == "Completed"
    assert said["result"]["video"]["content_type"] == "video/mp4"


def test_the_asynchronous_client_is_served_too(script):
    said = script(
        """
        import asyncio
        say(result=asyncio.run(fal_client.subscribe_async(SORA, FOX)))
        """
    )
    assert said["result"]["video"]["url"]


def test_a_queued_request_is_cancelled(fal, script):
    fal.clock(3600)
    said = script(
        """
        handle = fal_client.submit(SORA, FOX)
        position = handle.status().position
        handle.cancel()
        status = handle.status()
        say(position=position, error_type=status.error_type)
        """
    )
    assert said == {"position": 0, "error_type": "client_cancelled"}
    assert fal.row("billed") == (False,)


RAISING = """
try:
    fal_client.{call}
except fal_client.FalClientHTTPError as error:
    say(status=error.status_code, error_type=error.error_type, message=str(error))
"""


@pytest.mark.parametrize(
    ("fault", "call", "expected"),
    [
        ("error_500", "subscribe(SORA, FOX)", (500, "internal_error")),
        ("refuse_400", "subscribe(SORA, FOX)", (400, "bad_request")),
        ("safety_block", "subscribe(SORA, FOX)", (422, None)),
        (None, "subscribe(SORA, {'prompt': 'no image'})", (422, None)),
        (None, "submit('fal-ai/none', FOX)", (404, None)),
        (None, "status('fal-ai/veo3.1', 'none')", (404, None)),
        (None, "SyncClient(key='invalid').submit(SORA, FOX)", (401, None)),
    ],
)
def test_an_error_is_told_with_its_status(fal, script, fault, call, expected):
    if fault:
        fal.fault(fault)
    said = script(RAISING.format(call=call))
    assert (said["status"], said["error_type"]) == expected
    assert said["message"]


def test_an_answer_that_is_lost_is_a_second_bill(fal, script):
    fal.fault("drop_answer")
    script("say(result=fal_client.subscribe(SORA, FOX))")
    assert [(row["status"], row["billed"]) for row in fal.rows()] == [
        ("dropped", True),
        (200, True),
    ]
