"""Faults on demand: which submission is to go wrong, and in which way.

A fault is drawn once, when a submission arrives, and then belongs to that submission and to what
comes of it, so one fault is one spoiled job. What a fault looks like on the wire is for each
provider's routes to say.
"""

import random
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SECONDS_MAX = 86_400.0  # a day: longer than any client waits


class FaultKind(StrEnum):
    """What goes wrong. The comments say what was started, and so paid for."""

    # The submission is refused; nothing was started.
    ERROR_500 = "error_500"
    ERROR_429 = "error_429"
    REFUSE_400 = "refuse_400"
    # The submission gets no answer for some seconds; nothing was started.
    HANG = "hang"
    # The work was started and is billed, but the client is not told.
    DROP_ANSWER = "drop_answer"
    ERROR_AFTER_ACCEPT = "error_after_accept"
    # The work was started; it ends without a video, and is not billed.
    SAFETY_BLOCK = "safety_block"
    # The work was started and is billed; its progress is odd.
    BACKWARDS = "backwards"
    NEVER_FINISH = "never_finish"
    # The work was done and is billed; its file is the trouble.
    CORRUPT_DOWNLOAD = "corrupt_download"
    TINY_DOWNLOAD = "tiny_download"
    HTML_DOWNLOAD = "html_download"
    EXPIRED_LINK = "expired_link"


# Kinds under which a submission starts nothing.
REFUSING_KINDS = frozenset(
    {
        FaultKind.ERROR_500,
        FaultKind.ERROR_429,
        FaultKind.REFUSE_400,
        FaultKind.HANG,
    }
)
DOWNLOAD_KINDS = frozenset(
    {
        FaultKind.CORRUPT_DOWNLOAD,
        FaultKind.TINY_DOWNLOAD,
        FaultKind.HTML_DOWNLOAD,
        FaultKind.EXPIRED_LINK,
    }
)
TIMED_KINDS = frozenset({FaultKind.HANG, FaultKind.ERROR_429})


class Fault(BaseModel):
    """One rule: this kind, for the next so many matching submissions or for a share of them.

    Units: `seconds` is how long a `hang` lasts, or the delay that an `error_429` asks for.
    `downloads` is how many downloads of a file are spoiled; without it all of them, except that an
    `expired_link` works again after two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: str
    kind: FaultKind
    next_n: int | None = Field(default=None, ge=1, le=1_000_000)
    rate: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    seconds: float | None = Field(default=None, ge=0, le=SECONDS_MAX, allow_inf_nan=False)
    prompt_contains: str | None = Field(default=None, min_length=1, max_length=4_096)
    downloads: int | None = Field(default=None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        if (self.next_n is None) == (self.rate is None):
            raise ValueError("next_n, rate: give exactly one of the two")
        if self.seconds is not None and self.kind not in TIMED_KINDS:
            raise ValueError(f"seconds: {self.kind} has no duration; leave seconds out")
        if self.downloads is not None and self.kind not in DOWNLOAD_KINDS:
            raise ValueError(f"downloads: {self.kind} spoils no download; leave downloads out")
        return self


class FaultBoard:
    """The armed faults, in the order in which they were set; the first that strikes wins."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # Dice for each provider: what one receives must not change what strikes another.
        self._dice: dict[str, random.Random] = {}
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Add a fault behind those already armed."""
        self._armed.append(fault)

    def clear(self) -> int:
        """Disarm everything; return how many faults were armed."""
        count = len(self._armed)
        self._armed.clear()
        return count

    def armed(self) -> tuple[Fault, ...]:
        """Return the armed faults, each with what is left of its `next_n`."""
        return tuple(self._armed)

    def draw(self, provider: str, prompt: str) -> Fault | None:
        """Return the fault that strikes this submission, if any, and use it up by one."""
        for index, fault in enumerate(self._armed):
            if fault.provider != provider or (fault.prompt_contains or "") not in prompt:
                continue
            if fault.rate is not None:
                if self._dice_of(provider).random() < fault.rate:
                    return fault
                continue
            self._use_up(index, fault)
            return fault
        return None

    def _dice_of(self, provider: str) -> random.Random:
        if provider not in self._dice:
            # Repeatable, not secret.
            self._dice[provider] = random.Random(f"{provider} {self._seed}")  # noqa: S311  as said above
        return self._dice[provider]

    def _use_up(self, index: int, fault: Fault) -> None:
        assert fault.next_n is not None
        if fault.next_n == 1:
            del self._armed[index]
        else:
            self._armed[index] = fault.model_copy(update={"next_n": fault.next_n - 1})
