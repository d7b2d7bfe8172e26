"""What the oracle sees of the log and of the provider, and its books. No rule of ours is asked.

Ids are those of the invariants (T1 to T7: section 1 of the torture list; I01 to I44).
"""

from collections.abc import Callable
from datetime import datetime

from schemas.base import Event
from schemas.envelope import Envelope
from tests.simulation.books import (
    AccountBook,
    JobBook,
    KeyBook,
)


class OracleCore:
    """Sees every committed event once, in the order of the commits."""

    def __init__(self, clock: Callable[[], datetime], on_violation: Callable[[], None]) -> None:
        self.clock = clock
        self.accounts: dict[str, AccountBook] = {}
        self.jobs: dict[str, JobBook] = {}
        self.keys: dict[str, KeyBook] = {}
        self.operations: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.stored: dict[str, str] = {}
        self.requests: dict[str, Event] = {}
        self.violations: list[tuple[str, str]] = []
        self.event_ids: list[str] = []
        self.undecided = 0
        self.open_jobs = 0
        # The end of the last fault: what is late because of one is not late.
        self.quiet_since: datetime | None = None
        self.provider_cancels = True
        self._seen_ids: set[str] = set()
        self._answered: set[str] = set()
        self._on_violation = on_violation
        self._look = {
            name.removeprefix("_on_"): getattr(self, name)
            for name in dir(type(self))
            if name.startswith("_on_") and name != "_on_violation"
        }

    def wrong(self, invariant: str, text: str) -> None:
        """Take down a violation; the run ends at the first."""
        self.violations.append((invariant, text))
        self._on_violation()

    # What the provider tells.

    def reserved_at(self, job_id: str) -> datetime:
        at = self.jobs[job_id].reserved_at
        return at if at is not None else self.clock()

    def provider_asked(self, job_id: str) -> None:
        """A submission has arrived at the provider."""
        job = self.jobs[job_id]
        job.asked += 1
        if job.price is None or job.asked > job.intents:
            self.wrong("I07", f"job {job_id}: {job.asked} submissions for {job.intents} intents")

    def billed(self, job_id: str) -> None:
        """The provider has begun work that it charges for."""
        job = self.jobs[job_id]
        job.billed += 1
        if job.billed > 1:
            self.wrong("T4", f"job {job_id} was billed {job.billed} times")

    def asked_to_stop(self, job_id: str, answer: str) -> None:
        """The provider was asked to stop, and answers so."""
        job = self.jobs[job_id]
        job.cancel_answers.add(answer)
        if job.end_event_id is None and job.cancel_accepted is None:
            self.wrong("I40", f"job {job_id} is stopped at the provider and has not ended")

    def finished(self, job_id: str, source: str) -> None:
        """The provider has handed out a finished file."""
        self.sources[source] = job_id
        self.jobs[job_id].output_seen = True

    # What the log tells.

    def requested(self, envelope: Envelope, job: JobBook | None) -> None:
        """A client's request stands on the log."""
        job_id = getattr(envelope.event, "job_id", None)
        self.requests[envelope.event_id] = envelope.event
        if job is not None:
            assert job_id is not None
            self.jobs[job_id] = job
        self.undecided += 1

    def committed(self, place: str, envelope: Envelope) -> None:
        """One event of the ledger or of the generation processor is committed."""
        event_id = envelope.event_id
        if event_id in self._seen_ids:
            self.wrong("T7", f"{place}: the event id {event_id} stands twice")
        self._seen_ids.add(event_id)
        self.event_ids.append(event_id)
        self._look[type(envelope.event).__name__](place, envelope, envelope.event)
