"""A small log made by the real processors, in memory, for faults to be planted in.

Shape: every offset leaves a gap, as transaction markers do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from domain.failures import ProviderFault
from domain.generation_commands import (
    BeginSubmission,
    GenerationCommand,
    RecordMedia,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordSubmission,
    RecordSubmissionFault,
)
from domain.generation_state import Limits
from processors.generation import GenerationProgram, JobCommand
from processors.ledger import LedgerProgram
from replay.audit import Audit
from replay.billing import SubmissionRow
from replay.checks import Report, Rules
from replay.partition_audit import PartitionAudit, View
from replay.partition_end import check_end
from runtime.event_log.program import Program
from runtime.event_log.state_reader import POSITIONS_KEY, encode_positions
from runtime.event_log.states import Overlay, States
from runtime.settings import Settings
from schemas.base import Event
from schemas.codec import ContractError
from schemas.envelope import Cause, Envelope
from schemas.generation import StoredMedia
from schemas.requests import (
    CancellationRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
    PrivatePrompt,
    VideoSettings,
)

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LIMITS = Limits()
NAMESPACE = "test."
LOG_TOPICS = ("requests", "ledger.events", "generation.events")
_IDS = UUID("00000000-0000-5000-8000-000000000000")


def uuid(name: str) -> str:
    return str(uuid5(_IDS, name))


@dataclass
class World:
    """The topics of one partition number, and the two processors that write them."""

    log: dict[str, list[tuple[int, Envelope]]] = field(
        default_factory=lambda: {topic: [] for topic in LOG_TOPICS}
    )
    unreadable: list[tuple[str, int]] = field(default_factory=list)
    dead_letters: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    states: dict[str, dict[str, bytes]] = field(default_factory=dict)
    positions: dict[str, dict[str, int]] = field(
        default_factory=lambda: {"ledger": {}, "generation": {}}
    )
    seconds: int = 0

    def __post_init__(self) -> None:
        self.ledger = LedgerProgram(Settings())
        self.generation = GenerationProgram(LIMITS, _no_companion)
        self._memory = {"ledger": States(), "generation": States()}

    @property
    def now(self) -> datetime:
        return AT + timedelta(seconds=self.seconds)

    def append(self, topic: str, envelope: Envelope) -> int:
        entries = self.log[topic]
        offset = entries[-1][0] + 2 if entries else 0
        entries.append((offset, envelope))
        return offset

    def ask(self, event: Event, name: str) -> None:
        cause = Cause(uuid(f"cause of {name}"), uuid(name))
        self.append("requests", cause.envelop(event, 0, "/tests"))

    def grant(self, account_id: str = "alice", credits_: int = 100, key: str = "grant") -> None:
        event = CreditGrantRequested(
            account_id=account_id,
            occurred_at=self.now,
            amount_credits=credits_,
            reason="test",
            requested_by="admin",
            idempotency_key=key,
        )
        self.ask(event, f"{account_id} {key} {len(self.log['requests'])}")

    def request(self, job: str, account_id: str = "alice", key: str | None = None) -> None:
        event = GenerationRequested(
            account_id=account_id,
            occurred_at=self.now,
            job_id=uuid(job),
            settings=VideoSettings(
                model="veo-3.1", duration_seconds=4, resolution="720p", aspect_ratio="16:9"
            ),
            idempotency_key=key or job,
            body_sha256="0" * 64,
            private=PrivatePrompt(prompt=f"prompt of {job}"),
        )
        self.ask(event, job)

    def refund_by_hand(self, job: str, account_id: str = "alice", key: str = "refund") -> None:
        event = HandRefundRequested(
            account_id=account_id,
            occurred_at=self.now,
            job_id=uuid(job),
            reason="test",
            requested_by="admin",
            idempotency_key=key,
        )
        self.ask(event, f"refund {job} {key} {len(self.log['requests'])}")

    def cancel(self, job: str, account_id: str = "alice") -> None:
        event = CancellationRequested(
            account_id=account_id, occurred_at=self.now, job_id=uuid(job), requested_by="owner"
        )
        self.ask(event, f"cancel {job}")

    def run(self) -> None:
        """Let both processors decide until nothing is left."""
        while self._take("ledger") or self._take("generation"):
            pass

    def learn(self, job: str, *commands: GenerationCommand) -> None:
        """Tell the generation processor of a job, then let both go on."""
        for command in commands:
            overlay = Overlay(self._memory["generation"])
            envelopes = self.generation.decide_command(JobCommand(uuid(job), command), overlay)
            self._commit("generation", overlay, envelopes)
        self.run()

    def begin(self, job: str) -> None:
        """Put the intent on the log and leave the submit under way."""
        self.learn(job, BeginSubmission(self.now))

    def submit(self, job: str, attempt: int = 1) -> None:
        self.learn(
            job,
            BeginSubmission(self.now),
            RecordSubmission(self.now, attempt, f"models/veo/operations/op-{job}"),
        )

    def deliver(self, job: str) -> None:
        self.submit(job)
        self.learn(
            job,
            RecordPoll(self.now, "running", 10),
            RecordOutput(self.now, "files/1"),
            RecordMedia(self.now, media(job)),
        )

    def fail(self, job: str) -> None:
        self.submit(job)
        fault = ProviderFault(kind="permanent", started="unknown", message="no")
        self.learn(job, RecordPollFault(self.now, fault))

    def fail_poll(self, job: str) -> None:
        fault = ProviderFault(kind="permanent", started="unknown", message="no")
        self.learn(job, RecordPollFault(self.now, fault))

    def lose_submission(self, job: str) -> None:
        """End a job whose submit was never answered."""
        fault = ProviderFault(kind="permanent", started="unknown", message="reset")
        self.learn(job, BeginSubmission(self.now), RecordSubmissionFault(self.now, 1, fault))

    def find(self, topic: str, event_type: str, job: str | None = None) -> int:
        """Give the index of the first such event."""
        for index, (_, envelope) in enumerate(self.log[topic]):
            named = job is None or getattr(envelope.event, "job_id", None) == uuid(job)
            if envelope.event_type == event_type and named:
                return index
        raise AssertionError(f"no {event_type} of {job} in {topic}")

    def envelope(self, topic: str, event_type: str, job: str | None = None) -> Envelope:
        return self.log[topic][self.find(topic, event_type, job)][1]

    def change(self, topic: str, event_type: str, **fields: Any) -> int:
        """Plant a fault in the first such event, its ids as they are; return its offset."""
        index = self.find(topic, event_type)
        offset, envelope = self.log[topic][index]
        event = envelope.event.model_copy(update=fields)
        self.log[topic][index] = (offset, replace(envelope, event=event))
        return offset

    def _take(self, name: str) -> bool:
        program: Program = self.ledger if name == "ledger" else self.generation
        took = False
        for topic in program.inputs:
            for offset, envelope in list(self.log[topic.name]):
                if offset >= self.positions[name].get(topic.name, 0):
                    overlay = Overlay(self._memory[name])
                    envelopes = program.decide_event(envelope, overlay)
                    self.positions[name][topic.name] = offset + 1
                    self._commit(name, overlay, envelopes)
                    took = True
        return took

    def _commit(self, name: str, overlay: Overlay, envelopes: Sequence[Envelope]) -> None:
        overlay.keep()
        program: Program = self.ledger if name == "ledger" else self.generation
        for envelope in envelopes:
            self.append(program.output.name, envelope)
        stored = self.states.setdefault(program.state.name, {})
        for key, state in overlay.changed.items():
            stored.pop(key, None)
            if state is not None:
                stored[key] = program.codec.encode(state)
        overlay.commit()

    def feed(self, part: PartitionAudit) -> None:
        for topic, headers in self.dead_letters:
            part.dead_letter(topic, 0, [(name, text.encode()) for name, text in headers.items()])
        self.feed_states(part)
        for topic in LOG_TOPICS:
            for broken, offset in self.unreadable:
                if broken == topic:
                    part.unreadable(topic, offset, ContractError("bad_body", "planted"))
            for offset, envelope in self.log[topic]:
                part.event(topic, offset, envelope)

    def feed_states(self, part: PartitionAudit) -> None:
        for name in ("ledger", "generation"):
            positions = {NAMESPACE + topic: at for topic, at in self.positions[name].items()}
            state = f"{name}.state"
            part.state(state, POSITIONS_KEY.encode(), encode_positions(positions))
            stored = self.states.get(state, {})
            for gone in set(part.states[state]) - set(stored):
                part.state(state, gone.encode(), None)
            for key, value in stored.items():
                part.state(state, key.encode(), value)

    def audit(
        self,
        *,
        strict_end: bool = True,
        exact: bool = True,
        submissions: Sequence[SubmissionRow] | None = None,
        after: timedelta = timedelta(),
    ) -> Report:
        whole = Audit(rules(self.now + after, strict_end=strict_end), submissions)
        part = whole.partition(0, View(namespace=NAMESPACE, exact=exact))
        self.feed(part)
        check_end(part)
        return whole.report()


def rules(now: datetime, *, strict_end: bool = True, partition_count: int = 1) -> Rules:
    return Rules(
        limits=LIMITS,
        active_jobs_max=3,
        partition_count=partition_count,
        now=now,
        strict_end=strict_end,
    )


def media(job: str, size_bytes: int = 2000, sha256: str = "a" * 64) -> StoredMedia:
    return StoredMedia(
        object_key=f"alice/videos/{job}.mp4",
        content_type="video/mp4",
        size_bytes=size_bytes,
        sha256=sha256,
        duration_ms=4000,
        width_pixels=1280,
        height_pixels=720,
        frames_per_second=24.0,
    )


def delivered_world() -> World:
    """One account that bought one video and got it."""
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.deliver("j1")
    return world


def failed_world() -> World:
    """One account that bought one video and got its credits back."""
    world = World()
    world.grant()
    world.request("j1")
    world.run()
    world.fail("j1")
    return world


def violations(report: Report) -> dict[str, list[str]]:
    """Give what each check that does not hold says, by its name."""
    return {check.name: check.violations for check in report.checks if not check.ok}


def only_violation(report: Report, name: str) -> str:
    """Give the one violation of the one check that does not hold."""
    found = violations(report)
    assert list(found) == [name], found
    assert len(found[name]) == 1, found
    return found[name][0]


def _no_companion(_lane: object) -> Any:
    raise AssertionError("no lane runs here")
