"""The requests, answers and faults that the tests of fal share."""

import pytest

from domain.failures import ProviderFault
from providers.fal import FalQueue
from providers.protocol import (
    ProviderError,
    Submission,
)
from schemas.requests import PrivatePrompt, VideoSettings

SORA, VEO = "sora-2-image", "fal-veo-3.1"
REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"
SORA_PATH = f"/fal-ai/sora-2/requests/{REQUEST}"
URL = "https://v3.fal.media/files/a/b.mp4"
IMAGE = "https://pictures.example/fox.png"
QUEUED = {"status": "IN_QUEUE", "request_id": REQUEST, "queue_position": 0}
OVER = {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 3.7}}
VIDEO = {"video": {"url": URL, "content_type": "video/mp4", "fps": 24}, "video_id": "v"}
POLICY = {"detail": [{"loc": ["body", "prompt"], "msg": "x", "type": "content_policy_violation"}]}


def order(model: str, prompt: PrivatePrompt, **settings: str | int) -> Submission:
    asked = {"duration_seconds": 4, "resolution": "auto", "aspect_ratio": "auto", **settings}
    return Submission("job", VideoSettings.model_validate({"model": model, **asked}), prompt)


SORA_ORDER = order(SORA, PrivatePrompt(prompt="The fox runs.", image_url=IMAGE))
VEO_ORDER = order(
    VEO,
    PrivatePrompt(prompt="A red kite.", negative_prompt="rain"),
    duration_seconds=8,
    resolution="1080p",
    aspect_ratio="9:16",
)


async def fault_of(fal: FalQueue, poll: str | None = None) -> ProviderFault:
    with pytest.raises(ProviderError) as raised:
        await (fal.poll(poll, REQUEST) if poll else fal.submit(SORA_ORDER))
    return raised.value.fault
