"""Both processors together: what becomes of the credits of every job, however its story goes."""

from hypothesis import strategies as st

from domain.generation_commands import (
    BeginSubmission,
    CheckDeadline,
    GenerationCommand,
    RecordCancellation,
    RecordMedia,
    RecordOutput,
    RecordPollFault,
    RecordSubmission,
    RecordSubmissionFault,
    RecoverSubmission,
)
from domain.generation_state import Limits
from processors.generation import GenerationProgram, JobCommand
from processors.ledger import LedgerProgram
from runtime.settings import Settings
from schemas.base import Event
from schemas.envelope import Envelope
from schemas.generation import (
    GenerationCancelled,
    GenerationCompleted,
    GenerationSubmitted,
    SubmissionIntended,
)
from schemas.ledger import CreditsRefunded, CreditsReserved, CreditsSettled
from tests.domain.examples import AT, BUSY, LOST, MEDIA, MINUTE, job_id
from tests.domain.job_examples import OPERATION, SOURCE
from tests.domain.laws import whatever
from tests.shell.lane_in_memory import (
    Batch,
    arriving,
    cancellation_requested,
    generation_requested,
    grant_requested,
)
from tests.shell.test_generation_program import no_companion

JOBS = 4
WORDS: dict[str, GenerationCommand] = {
    "begin": BeginSubmission(AT),
    "accepted": RecordSubmission(AT, 1, OPERATION),
    "refused": RecordSubmissionFault(AT, 1, BUSY),
    "lost": RecordSubmissionFault(AT, 1, LOST),
    "recover": RecoverSubmission(AT),
    "output": RecordOutput(AT, SOURCE),
    "broken": RecordPollFault(AT, LOST),
    "stored": RecordMedia(AT, MEDIA),
    "stopped": RecordCancellation(AT, "accepted"),
    "deadline": CheckDeadline(AT + 15 * MINUTE),
}
STORIES = st.lists(
    st.tuples(
        st.integers(1, JOBS),
        st.sampled_from(("begin", "accepted", "output", "stored", "cancel", *WORDS)),
        st.booleans(),
    ),
    max_size=40,
)


class Tape:
    """Hands every event to the other processor in order, once or twice; keeps them all."""

    def __init__(self) -> None:
        self.ledger = Batch(LedgerProgram(Settings(TAPEWORKS_ACTIVE_JOBS_MAX=JOBS)))
        self.generation = Batch(GenerationProgram(Limits(), no_companion))
        self.envelopes: list[Envelope] = []

    def request(self, envelope: Envelope, *, twice: bool = False) -> None:
        for _ in range(1 + twice):
            self._from_ledger(self.ledger.envelope(envelope), twice=twice)

    def tell(self, number: int, command: GenerationCommand, *, twice: bool) -> None:
        for _ in range(1 + twice):
            outs = self.generation.command(JobCommand(job_id(number), command))
            self._from_generation(outs, twice=twice)

    def events_of(self, job: str) -> list[Event]:
        events = [out.event for out in self.envelopes]
        return [event for event in events if getattr(event, "job_id", None) == job]

    def _from_ledger(self, outs: list[Envelope], *, twice: bool) -> None:
        self.envelopes += outs
        for out in outs:
            self._from_generation(self.generation.envelope(out), twice=twice)

    def _from_generation(self, outs: list[Envelope], *, twice: bool) -> None:
        self.envelopes += outs
        for out in outs:
            for _ in range(1 + twice):
                self._from_ledger(self.ledger.envelope(out), twice=False)


@whatever(story=STORIES)
def test_every_job_is_paid_for_once_or_given_back_once_and_never_both(story):
    """I04 to I07, I14: settled where it was delivered or cancelled after its submission."""
    tape = Tape()
    tape.request(arriving(grant_requested(1000)))
    for number in range(1, JOBS + 1):
        tape.request(arriving(generation_requested(number)), twice=True)
    for number, word, twice in story:
        if word == "cancel":
            tape.request(arriving(cancellation_requested(number)), twice=twice)
        else:
            tape.tell(number, WORDS[word], twice=twice)
    for number in range(1, JOBS + 1):
        kinds = [type(event) for event in tape.events_of(job_id(number))]
        assert kinds.count(CreditsReserved) == 1
        assert kinds.count(SubmissionIntended) <= Limits().submit_attempts_max
        if SubmissionIntended in kinds:
            assert kinds.index(CreditsReserved) < kinds.index(SubmissionIntended)
        kept, given_back = kinds.count(CreditsSettled), kinds.count(CreditsRefunded)
        still_open = tape.generation.overlay.get(f"job/{job_id(number)}") is not None
        assert kept + given_back == (0 if still_open else 1)
        delivered = GenerationCompleted in kinds
        cancelled_late = GenerationCancelled in kinds and GenerationSubmitted in kinds
        assert kept == (delivered or cancelled_late)
