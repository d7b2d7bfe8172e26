"""What can happen to a job, as the generation decider is told it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.failures import ProviderFault, Trouble
from schemas.failure import Failure
from schemas.generation import ProviderCancellation, StoredMedia


@dataclass(frozen=True, slots=True)
class BeginSubmission:
    """A place among the provider's calls is free for this job."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RecordSubmission:
    """The provider accepted attempt `attempt`."""

    at: datetime
    attempt: int
    operation_id: str


@dataclass(frozen=True, slots=True)
class RecordSubmissionFault:
    """Attempt `attempt` was no success; `retry_after` is how long to stay away, if it said so."""

    at: datetime
    attempt: int
    fault: ProviderFault
    retry_after: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class RecoverSubmission:
    """The worker that submitted is gone and its answer with it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RecordPoll:
    """The provider is at it still."""

    at: datetime
    provider_state: str
    progress_percent: int | None = None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class RecordOutput:
    """The provider is done; `source` is where it keeps the file."""

    at: datetime
    source: str
    provider_video_id: str | None = None


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """The provider is done and withholds the video."""

    at: datetime
    reasons: tuple[str, ...]
    category: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class RecordPollFault:
    """The poll told of the job's failure, or that the operation is not known any more."""

    at: datetime
    fault: ProviderFault


@dataclass(frozen=True, slots=True)
class RecordTrouble:
    """A step went wrong and will be taken again."""

    at: datetime
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class RecordMedia:
    """The file is in our own store, checked."""

    at: datetime
    media: StoredMedia


@dataclass(frozen=True, slots=True)
class RecordMediaFailure:
    at: datetime
    failure: Failure


@dataclass(frozen=True, slots=True)
class CheckDeadline:
    """The job's time may be over; `met` is what the last step ran into, None if it went well."""

    at: datetime
    met: Trouble | None = None


@dataclass(frozen=True, slots=True)
class CancelJob:
    """The ledger accepted the owner's cancellation."""

    at: datetime


@dataclass(frozen=True, slots=True)
class RecordCancellation:
    """What the provider said to our wish to stop the work."""

    at: datetime
    answer: ProviderCancellation


GenerationCommand = (
    BeginSubmission
    | RecordSubmission
    | RecordSubmissionFault
    | RecoverSubmission
    | RecordPoll
    | RecordOutput
    | RecordRefusal
    | RecordPollFault
    | RecordTrouble
    | RecordMedia
    | RecordMediaFailure
    | CheckDeadline
    | CancelJob
    | RecordCancellation
)
