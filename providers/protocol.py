"""What every provider's adapter offers: submit, poll, cancel, fetch, and a record of its habits.

No caller knows which provider it talks to; whatever differs between providers is in the record.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from domain.durations import Durations
from domain.failures import ProviderFault
from schemas.requests import PrivatePrompt, VideoSettings

# What an adapter hands over fits the events that will hold it (schemas.generation); characters.
OPERATION_ID_CHARACTERS_MAX = 500
SOURCE_CHARACTERS_MAX = 4000
DETAIL_CHARACTERS_MAX = 2000
CODE_CHARACTERS_MAX = 200
VIDEO_ID_CHARACTERS_MAX = 200
QUEUE_POSITION_MAX = 2_147_483_647
# 2 GiB: 148 s, the longest a model makes, at 100 Mbit/s.
FILE_BYTES_MAX = 2 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How a model's provider behaves, as data.

    `finds_by_reference`: whether work can be looked up by a name of ours.
    `cancels`: what a cancellation stops for sure; asking for more is allowed where it is not never.
    `poll_renews_link`: whether polling finished work again gives a fresh link to its file.
    Units: seconds. `url_life_seconds` is how long the provider keeps a finished file;
    `poll_gap_seconds_min` is the shortest interval that an operator may set.
    """

    model: str
    provider: str
    accepts_idempotency_key: bool
    finds_by_reference: bool
    cancels: Literal["never", "while_queued", "any_time"]
    bills_on_failure: bool
    on_unknown_submission: Literal["fail", "resubmit"]
    poll_gap_seconds_min: float
    poll_interval_seconds: float
    poll_interval_seconds_max: float
    submit_timeout_seconds: float
    poll_timeout_seconds: float
    url_life_seconds: float
    poll_renews_link: bool

    @property
    def can_cancel(self) -> bool:
        """Whether a cancellation is worth sending."""
        return self.cancels != "never"


@dataclass(frozen=True, slots=True)
class Submission:
    """One order for paid work."""

    job_id: str
    settings: VideoSettings
    prompt: PrivatePrompt


@dataclass(frozen=True, slots=True)
class Running:
    """The provider is at it still; `queue_position` counts the jobs before this one."""

    state: Literal["queued", "running"]
    progress_percent: int | None = None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The provider is done; `source` is its own reference to the file, opaque to us.

    `video_id`: the provider's name for the video, where it has one beside that.
    """

    source: str
    video_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider is done and withholds the result by its content policy.

    `category` (domain.safety) and `confidence` (0 to 1) only where the provider says so.
    """

    reasons: tuple[str, ...]
    category: str | None = None
    confidence: float | None = None


PollAnswer = Running | Finished | Refused
# "accepted" promises no more than the capability record's `cancels` does.
CancelAnswer = Literal["accepted", "too_late", "not_offered"]


class ProviderError(Exception):
    """A call that was no success; `fault` says what that means for the job."""

    def __init__(self, fault: ProviderFault, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{fault.kind}: {fault.message}")
        self.fault = fault
        self.retry_after_seconds = retry_after_seconds


class FetchError(Exception):
    """One attempt to fetch a finished file failed; the text says why.

    `expired`: the link leads nowhere any more, as one that was handed out too long ago.
    """

    def __init__(self, message: str, *, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


class Provider(Protocol):
    """One provider's adapter. Every call ends within the deadline of the capability record."""

    name: str

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model."""
        ...

    async def submit(self, submission: Submission) -> str:
        """Ask for paid work and give the provider's operation id.

        Raises: ProviderError, whose fault says whether work may have begun.
        Guarantee: sends one request at most; never repeats it.
        """
        ...

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        """Ask how an operation is going.

        Raises: ProviderError: `transient` to ask again, else the job has failed.
        """
        ...

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        """Ask the provider to stop and give its answer; ask nothing where it cannot stop.

        Raises: ProviderError.
        """
        ...

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a finished file as a stream of bytes.

        Raises: FetchError on any answer but the file; the caller bounds the whole by a deadline.
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class PollPlan:
    """When to ask again: at once, then every interval, slower as a job grows older (C10).

    Where it is known how long such jobs take, later: when this one may have ended (P11).
    """

    interval_seconds: float
    interval_seconds_max: float
    durations: Durations | None = None

    def next_poll_in_seconds(self, submitted_at: datetime, now: datetime) -> float:
        """Give the wait before the next poll, from the job's age: restarts keep the pace."""
        age_seconds = max((now - submitted_at).total_seconds(), 0.0)
        known_seconds = self.durations.wait_seconds(age_seconds) if self.durations else None
        if known_seconds is not None:
            return max(known_seconds, self.interval_seconds)
        return min(max(age_seconds / 4, self.interval_seconds), self.interval_seconds_max)
