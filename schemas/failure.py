"""Why a job did not end in a video, in words for its owner."""

from typing import Literal

from pydantic import Field

from schemas.base import Detail, Fact, LongText, ShortText

FailureCategory = Literal[
    "provider_refusal",
    "provider_error",
    "provider_unavailable",
    "provider_quota",
    "provider_setup",
    "submission_unknown",
    "generation_timeout",
    "download_error",
    "storage_error",
    "storage_unavailable",
    "system_error",
]
# Where a job was when something went wrong.
Phase = Literal["submit", "poll", "download", "store"]


class Failure(Fact):
    """The end of a job that failed.

    Source: S0-84 to S0-88; `retryable` speaks to the user and says nothing of our own retries.
    """

    category: FailureCategory = Field(description="Row of the refund table.")
    code: ShortText = Field(description="Stable code in capitals, such as GENERATION_TIMEOUT.")
    message: LongText = Field(description="One sentence for the job's owner.")
    retryable: bool = Field(description="Whether the owner may try again.")
    suggested_action: LongText = Field(description="What the owner can do.")
    details: dict[str, Detail] = Field(
        default_factory=dict, description="Facts that belong to the code."
    )
