"""Histories as the real deciders write them, as records on three topics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from domain import ledger
from domain.failures import safety_blocked
from domain.ledger_commands import (
    AdjustCredits,
    CloseCancelledJob,
    CloseFailedJob,
    GrantCredits,
    LedgerCommand,
    RefundByHand,
    ReserveCredits,
    SettleJob,
)
from domain.ledger_state import LedgerSlice, slice_keys
from projections.records import ProjectionRecord
from schemas.base import Event
from schemas.codec import encode
from schemas.envelope import Cause
from schemas.generation import (
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    PrivateMedia,
    StoredMedia,
    SubmissionIntended,
)
from schemas.requests import GenerationRequested, PrivatePrompt, VideoSettings
from schemas.topics import TOPIC_BY_EVENT

NAMES = UUID("6d1f6a3e-6f2b-5e0e-9f0c-0a0f5d2f7c11")
BEGIN = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
REQUESTS, LEDGER, GENERATION = "requests", "ledger.events", "generation.events"
TOPICS = (REQUESTS, LEDGER, GENERATION)


def job_id(name: str) -> str:
    return str(uuid5(NAMES, name))


@dataclass(slots=True)
class Story:
    """Writes events in the order in which they happen; the clock moves by 1 s per event."""

    at: datetime = BEGIN
    tape: dict[str, list[ProjectionRecord]] = field(
        default_factory=lambda: {topic: [] for topic in TOPICS}
    )
    events: dict[str, list[Event]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    slices: dict[tuple[str, str | None], LedgerSlice] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    _written: int = 0

    def write(self, event: Event) -> None:
        topic = TOPIC_BY_EVENT[type(event)].name
        self._written += 1
        cause = Cause(str(uuid5(NAMES, str(self._written))), str(uuid5(NAMES, "request")))
        record = encode(cause.envelop(event, 0, "tests"))
        # Every second offset is a transaction's marker, which is never delivered.
        offset = 2 * len(self.tape[topic])
        self.tape[topic].append(ProjectionRecord(offset, record.key, record.value, record.headers))
        self.events[topic].append(event)

    def tick(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def grant(self, account: str, amount: int, reason: str = "welcome") -> None:
        self._decide(
            GrantCredits(
                account_id=account,
                amount_credits=amount,
                reason=reason,
                granted_by="admin",
                idempotency_key=f"grant-{self._written}",
                at=self.tick(),
            )
        )

    def adjust(self, account: str, amount: int) -> None:
        self._decide(
            AdjustCredits(
                account_id=account,
                amount_credits=amount,
                reason="correction",
                adjusted_by="admin",
                idempotency_key=f"adjust-{self._written}",
                at=self.tick(),
            )
        )

    def refund_by_hand(self, job: str, reason: str = "a bad clip") -> None:
        self._decide(
            RefundByHand(
                account_id=self.owners[job],
                job_id=job,
                reason=reason,
                refunded_by="admin",
                idempotency_key=f"refund-{self._written}",
                at=self.tick(),
            )
        )

    def request(
        self, account: str, name: str, *, prompt: str = "a red fox", seconds: int = 8, key: str = ""
    ) -> str:
        """Ask for a video and have the ledger decide; give the job's id."""
        job, key = job_id(name), key or job_id(name)
        settings = VideoSettings(
            model="veo-3.1", duration_seconds=seconds, resolution="720p", aspect_ratio="16:9"
        )
        private = PrivatePrompt(prompt=prompt, negative_prompt="rain")
        self.owners[job] = account
        self.write(
            GenerationRequested(
                account_id=account,
                occurred_at=self.tick(),
                job_id=job,
                settings=settings,
                idempotency_key=key,
                body_sha256="a" * 64,
                private=private,
            )
        )
        self._decide(
            ReserveCredits(
                account_id=account,
                job_id=job,
                settings=settings,
                prompt=private,
                idempotency_key=key,
                body_sha256="a" * 64,
                at=self.tick(),
            )
        )
        return job

    def submit(self, job: str) -> None:
        who = self._who(job)
        self.write(
            SubmissionIntended(**who, attempt=1, provider="google", model="veo-3.1"),
        )
        who = self._who(job)
        self.write(
            GenerationSubmitted(
                **who, attempt=1, provider="google", operation_id=f"operations/{job}"
            )
        )

    def poll(
        self, job: str, state: str, progress: int | None = None, position: int | None = None
    ) -> None:
        poll = {"provider_state": state, "progress_percent": progress, "queue_position": position}
        self.write(GenerationPolled.model_validate({**self._who(job), **poll}))

    def download(self, job: str) -> None:
        private = PrivateMedia(source="files/1")
        self.write(
            DownloadStarted(
                **self._who(job), provider="google", provider_video_id="video_1", private=private
            )
        )

    def complete(self, job: str) -> None:
        media = StoredMedia(
            object_key=f"generations/{job}.mp4",
            content_type="video/mp4",
            size_bytes=123_456,
            sha256="b" * 64,
            duration_ms=8_000,
            width_pixels=1280,
            height_pixels=720,
            frames_per_second=24.0,
        )
        self.write(
            GenerationCompleted(
                **self._who(job), media=media, provider="google", cost_micro_dollars=3_200_000
            )
        )
        self._decide(SettleJob(account_id=self.owners[job], job_id=job, at=self.tick()))

    def fail(self, job: str, reason: str = "violence") -> None:
        failure = safety_blocked((reason,))
        self.write(GenerationFailed(**self._who(job), failure=failure))
        self._decide(
            CloseFailedJob(account_id=self.owners[job], job_id=job, failure=failure, at=self.tick())
        )

    def cancel(self, job: str, *, submitted: bool) -> None:
        who = self._who(job)
        self.write(
            GenerationCancelled(
                **who,
                submitted=submitted,
                requested_by="owner",
                provider_cancellation="accepted" if submitted else None,
                cost_micro_dollars=3_200_000 if submitted else None,
            )
        )
        self._decide(
            CloseCancelledJob(
                account_id=self.owners[job], job_id=job, submitted=submitted, at=self.tick()
            )
        )

    def _who(self, job: str) -> dict[str, Any]:
        return {"account_id": self.owners[job], "job_id": job, "occurred_at": self.tick()}

    def _decide(self, command: LedgerCommand) -> None:
        keys = slice_keys(command)
        account, job, key = keys.account_id, keys.job_id, keys.idempotency_key
        state = LedgerSlice(
            self.slices.get((account, None), LedgerSlice()).account,
            self.slices.get((account, f"job {job}"), LedgerSlice()).reservation,
            self.slices.get((account, f"key {key}"), LedgerSlice()).key_use,
            self.slices.get((account, f"job {job}"), LedgerSlice()).ended,
        )
        for event in ledger.decide(state, command):
            state = ledger.evolve(state, event)
            self.write(event)
        for part in (None, f"job {job}", f"key {key}"):
            self.slices[account, part] = state


def every_ending() -> Story:
    """Tell of a job for each way to end, of one under way, and of credits that come and go."""
    story = Story()
    story.grant("ada", 400)
    story.grant("bob", 50)
    done = story.request("ada", "done", prompt="a fox " * 40)
    failed = story.request("ada", "failed", seconds=4)
    early = story.request("ada", "cancelled before", seconds=6)
    story.request("ada", "one too many")
    story.request("ada", "asked again", key=job_id("done"), prompt="a fox " * 40)
    for job in (done, failed):
        story.submit(job)
        story.poll(job, "queued", position=2)
        story.poll(job, "queued", position=1)
    story.cancel(early, submitted=False)
    story.poll(done, "running", 40)
    story.poll(done, "running", 80)
    story.fail(failed)
    story.download(done)
    story.complete(done)
    late = story.request("ada", "cancelled after")
    story.submit(late)
    story.cancel(late, submitted=True)
    regretted = story.request("ada", "cancelled and refunded", seconds=4)
    story.submit(regretted)
    story.cancel(regretted, submitted=True)
    story.refund_by_hand(regretted)
    story.refund_by_hand(regretted)
    story.request("bob", "too dear")
    story.adjust("bob", -500)
    story.adjust("bob", -50)
    story.grant("bob", 90)
    story.submit(story.request("bob", "under way"))
    return story


def batches_of(records: Sequence[ProjectionRecord], size: int) -> list[Sequence[ProjectionRecord]]:
    return [records[first : first + size] for first in range(0, len(records), size)]
