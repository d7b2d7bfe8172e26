"""The topics: who writes them, what they carry, how long they are kept.

One row per topic and exactly one writer per row (decision 0009). All public topics have the same
partition count and the account as their key, so one account stays in one partition number.
"""

from dataclasses import dataclass

from schemas import generation, ledger, requests
from schemas.base import Event

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic and its promise.

    Units: `retention_ms` -1 keeps for ever; None where compaction decides.
    """

    name: str
    writer: str
    key: str
    retention_ms: int | None
    carries: tuple[type[Event], ...] = ()

    @property
    def dead_letter(self) -> str:
        """Name of the topic that keeps this topic's unreadable records."""
        return f"{self.name}.dead-letter"


REQUESTS = Topic(
    "requests",
    writer="ingress",
    key="account_id",
    retention_ms=-1,
    carries=(
        requests.GenerationRequested,
        requests.CancellationRequested,
        requests.CreditGrantRequested,
        requests.CreditAdjustmentRequested,
        requests.HandRefundRequested,
    ),
)
LEDGER_EVENTS = Topic(
    "ledger.events",
    writer="ledger",
    key="account_id",
    retention_ms=-1,
    carries=(
        ledger.CreditsGranted,
        ledger.CreditsAdjusted,
        ledger.CreditChangeDeclined,
        ledger.CreditsReserved,
        ledger.ReservationDeclined,
        ledger.CancellationAccepted,
        ledger.CancellationDeclined,
        ledger.CreditsSettled,
        ledger.CreditsRefunded,
        ledger.CreditsRefundedByHand,
        ledger.HandRefundDeclined,
    ),
)
GENERATION_EVENTS = Topic(
    "generation.events",
    writer="generation",
    key="account_id",
    retention_ms=-1,
    carries=(
        generation.SubmissionIntended,
        generation.SubmissionRefused,
        generation.GenerationSubmitted,
        generation.GenerationPolled,
        generation.DownloadStarted,
        generation.AlertRaised,
        generation.GenerationCompleted,
        generation.GenerationFailed,
        generation.GenerationCancelled,
    ),
)
LEDGER_STATE = Topic("ledger.state", writer="ledger", key="state key", retention_ms=None)
GENERATION_STATE = Topic(
    "generation.state", writer="generation", key="state key", retention_ms=None
)

PUBLIC_TOPICS = (REQUESTS, LEDGER_EVENTS, GENERATION_EVENTS)
STATE_TOPICS = (LEDGER_STATE, GENERATION_STATE)
DEAD_LETTER_RETENTION_MS = 90 * DAY_MS

TOPIC_BY_EVENT: dict[type[Event], Topic] = {
    event_type: topic for topic in PUBLIC_TOPICS for event_type in topic.carries
}
EVENT_TYPES: dict[str, type[Event]] = {
    event_type.__name__: event_type for event_type in TOPIC_BY_EVENT
}
