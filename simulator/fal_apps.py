"""The apps at fal that are served here, and what each takes.

Like fal, they ignore fields that they do not know, and refuse wrong values in pydantic's words.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from simulator.fal_errors import FalError
from simulator.studio import Order
from simulator.video import Clip

QUEUE_SHARE = 0.2  # of a generation's time is spent in the queue
_SIZES: Mapping[tuple[str, str], tuple[int, int]] = {
    ("720p", "16:9"): (1280, 720),
    ("720p", "9:16"): (720, 1280),
    ("1080p", "16:9"): (1920, 1080),
    ("1080p", "9:16"): (1080, 1920),
}
# `auto` follows the image, which is never looked at here.
_AUTO = {"auto": "16:9"}

Prompt = Annotated[str, Field(min_length=1, max_length=5_000)]
ImageUrl = Annotated[str, Field(pattern=r"^(https?://|data:)")]


class Sora(BaseModel):
    prompt: Prompt
    aspect_ratio: Literal["16:9", "9:16"] = "16:9"
    resolution: Literal["720p"] = "720p"
    duration: Literal[4, 8, 12] = 4


class SoraPro(Sora):
    resolution: Literal["720p", "1080p"] = "1080p"  # type: ignore[assignment]  # more than the parent


class SoraImage(BaseModel):
    prompt: Prompt
    image_url: ImageUrl
    aspect_ratio: Literal["auto", "16:9", "9:16"] = "auto"
    resolution: Literal["auto", "720p"] = "auto"
    duration: Literal[4, 8, 12] = 4


class SoraImagePro(SoraImage):
    resolution: Literal["auto", "720p", "1080p"] = "auto"  # type: ignore[assignment]  # as above


class Veo(BaseModel):
    prompt: Prompt
    aspect_ratio: Literal["16:9", "9:16"] = "16:9"
    resolution: Literal["720p", "1080p"] = "720p"
    duration: Literal["4s", "6s", "8s"] = "8s"
    generate_audio: bool = True
    auto_fix: bool = True
    negative_prompt: str | None = None


class VeoImage(Veo):
    image_url: ImageUrl
    aspect_ratio: Literal["auto", "16:9", "9:16"] = "auto"  # type: ignore[assignment]  # as above


class Seedance(BaseModel):
    """Source: fal's page of the model names the fields; the choices here are a guess."""

    prompt: Prompt
    image_url: ImageUrl
    aspect_ratio: Literal["auto", "16:9", "9:16"] = "auto"
    resolution: Literal["720p", "1080p"] = "720p"
    duration: Literal["4", "8", "12"] = "4"
    generate_audio: bool = True


Input = Sora | SoraImage | Veo | Seedance

# By the whole id that is submitted to. Its first two segments, the app, are all that status, result
# and cancel know.
ENDPOINTS: Mapping[str, type[Input]] = {
    "fal-ai/sora-2/image-to-video": SoraImage,
    "fal-ai/sora-2/image-to-video/pro": SoraImagePro,
    "fal-ai/sora-2/text-to-video": Sora,
    "fal-ai/sora-2/text-to-video/pro": SoraPro,
    "fal-ai/veo3.1": Veo,
    "fal-ai/veo3.1/fast": Veo,
    "fal-ai/veo3.1/image-to-video": VeoImage,
    "fal-ai/veo3.1/fast/image-to-video": VeoImage,
    "bytedance/seedance-2.0/image-to-video": Seedance,
}


def app_of(endpoint: str) -> str:
    """Return owner and name of an app, without what follows."""
    return "/".join(endpoint.split("/")[:2])


APPS = frozenset(map(app_of, ENDPOINTS))
OWNERS = frozenset(app.partition("/")[0] for app in APPS)


def read_fal_order(endpoint: str, document: object) -> Order:
    """Return what a body asks for.

    Raises: FalError, 404; pydantic.ValidationError.
    """
    if endpoint not in ENDPOINTS:
        raise FalError(404, f"Application {endpoint} is not found.")
    asked = ENDPOINTS[endpoint].model_validate(document)
    seconds = int(str(asked.duration).removesuffix("s"))
    resolution = "720p" if asked.resolution == "auto" else asked.resolution
    width, height = _SIZES[resolution, _AUTO.get(asked.aspect_ratio, asked.aspect_ratio)]
    caption = f"Simulated video, not billed. {endpoint}, {seconds} s, {width} x {height}"
    return Order(Clip(asked.prompt, seconds, width, height, caption), queue_share=QUEUE_SHARE)
