"""How each model at fal is asked: one row per model, and the only place to change it (S2-29)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.catalogue import FAL_VEO_3_1, SORA_2_IMAGE
from providers.protocol import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class FalModel:
    """One model at fal.

    `endpoint`: where it is submitted. Status, result and cancel leave out all but the first two
    segments, the app.
    `duration`: 8 s as the number 8 or as the text "8s".
    `constants`: what every request says, whatever was asked for.
    """

    endpoint: str
    duration: Literal["number", "text"]
    constants: Mapping[str, object] = field(default_factory=dict)

    @property
    def app(self) -> str:
        """Owner and name, without what follows."""
        return "/".join(self.endpoint.split("/")[:2])

    def arguments(self, submission: Submission) -> dict[str, Any]:
        """Write the body of a submission; what was not given is absent."""
        settings, prompt = submission.settings, submission.prompt
        seconds = settings.duration_seconds
        arguments: dict[str, Any] = {
            "prompt": prompt.prompt,
            "negative_prompt": prompt.negative_prompt,
            "image_url": prompt.image_url,
            "duration": seconds if self.duration == "number" else f"{seconds}s",
            "resolution": settings.resolution,
            "aspect_ratio": settings.aspect_ratio,
            **self.constants,
        }
        return {name: value for name, value in arguments.items() if value is not None}


FAL_MODELS: Mapping[str, FalModel] = {
    FAL_VEO_3_1.name: FalModel(
        endpoint="fal-ai/veo3.1",
        duration="text",
        # A prompt that is against the policy is refused, not rewritten behind its author's back.
        constants={"generate_audio": True, "auto_fix": False},
    ),
    # S2-21, S2-23.
    SORA_2_IMAGE.name: FalModel(endpoint="fal-ai/sora-2/image-to-video", duration="number"),
}
