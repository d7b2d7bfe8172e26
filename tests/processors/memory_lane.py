"""A lane in memory that runs the real program, and a provider that answers as told.

The lane commits at once; what a broker adds to that is tested in tests/event_log.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import uuid4

from domain.breaker import BreakerLimits
from domain.generation_state import Job, Limits
from processors.fair_places import FairPlaces
from processors.generation import GenerationProgram, OpenJob, job_key
from processors.job_calls import Outside
from processors.job_runner import JobRunner
from processors.provider_gate import ProviderGate
from providers.protocol import (
    CancelAnswer,
    Capabilities,
    FetchError,
    PollAnswer,
    Provider,
    Running,
    Submission,
)
from runtime.clock import Clock
from runtime.event_log.program import LaneClosedError
from runtime.event_log.states import Overlay, States
from runtime.objects import MediaStore, open_media_store
from runtime.settings import Settings
from schemas.envelope import Cause, Envelope
from schemas.generation import GenerationFailed
from schemas.ledger import CancellationAccepted, CreditsReserved
from schemas.requests import PrivatePrompt, VideoSettings
from tests.waiting import eventually

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
# 10 ms: the fake provider's poll interval, so that a test sees many polls in little time.
POLL_INTERVAL_SECONDS = 0.01
ORDERS_MAX = 8


class SettableClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


class ScriptedProvider:
    """Answers each submit and poll with the next answer of its script; the last one repeats."""

    name = "google"

    def __init__(self) -> None:
        self.submit_answers: list[str | Exception] = ["operations/1"]
        self.poll_answers: list[PollAnswer | Exception] = [Running("running")]
        self.submissions: list[str] = []
        self.polls: list[str] = []
        self.cancels: list[str] = []
        self.cancel_answers: list[CancelAnswer | Exception] = ["accepted"]
        self.can_cancel = False
        self.poll_renews_link = False
        self.fetches: list[str] = []
        self.before_submit_answer: Callable[[], AbstractAsyncContextManager[None]] | None = None

    def capabilities(self, model: str) -> Capabilities:
        return Capabilities(
            model=model,
            provider=self.name,
            accepts_idempotency_key=False,
            finds_by_reference=False,
            cancels="any_time" if self.can_cancel else "never",
            bills_on_failure=False,
            on_unknown_submission="fail",
            poll_gap_seconds_min=0,
            poll_interval_seconds=POLL_INTERVAL_SECONDS,
            poll_interval_seconds_max=POLL_INTERVAL_SECONDS,
            submit_timeout_seconds=1,
            poll_timeout_seconds=1,
            url_life_seconds=60,
            poll_renews_link=self.poll_renews_link,
        )

    async def submit(self, submission: Submission) -> str:
        self.submissions.append(submission.job_id)
        if self.before_submit_answer is not None:
            async with self.before_submit_answer():
                pass
        return _next(self.submit_answers)

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        del model
        self.polls.append(operation_id)
        return _next(self.poll_answers)

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        del model
        self.cancels.append(operation_id)
        answer: CancelAnswer = _next(self.cancel_answers)
        return answer

    @asynccontextmanager
    async def fetch(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self.fetches.append(source)
        raise FetchError(f"nothing at {source}", expired=True)
        yield  # pragma: no cover  makes this a generator

    async def close(self) -> None: ...


def _next(answers: list[Any]) -> Any:
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


class DiedError(Exception):
    pass


def raise_died(reason: str) -> NoReturn:
    raise DiedError(reason)


class ClaimsInMemory:
    """A media store for jobs that never get to a download: whose an operation is, and no file."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    async def claimed(self, object_key: str, owner: str) -> str:
        return self._owners.setdefault(object_key, owner)


class MemoryLane:
    """One lane whose transactions always commit at once."""

    partition = 0

    def __init__(
        self,
        tmp_path,
        provider: Provider,
        clock: Clock,
        *,
        store: MediaStore | None = None,
        settings: Settings | None = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
    ) -> None:
        self.states = States()
        self.events: list[Envelope] = []
        self.changed = asyncio.Event()
        self.closed = False
        settings = settings or Settings(
            object_store_url=f"file://{tmp_path}/media", download_attempts_max=1
        )
        breaker = BreakerLimits(settings.breaker_failures_max, settings.breaker_open_seconds)
        self.gate = ProviderGate(provider.name, ORDERS_MAX, breaker)
        outside = Outside(
            {provider.name: provider},
            store or open_media_store(settings),
            settings,
            downloads=asyncio.Semaphore(2),
            download_steps=FairPlaces(4),
            gates={provider.name: self.gate},
            clock=clock,
        )
        self.program = GenerationProgram(
            limits, lambda lane: JobRunner(lane, outside, limits, raise_died)
        )
        self.runner = self.program.companion(self)

    async def readable(self) -> None: ...

    async def decide(self, command: object) -> None:
        if self.closed:
            raise LaneClosedError
        overlay = Overlay(self.states)
        self._commit(overlay, self.program.decide_command(command, overlay))

    def receive(self, event: CreditsReserved | CancellationAccepted) -> None:
        envelope = Cause(str(uuid4()), event.job_id).envelop(event, 0, "/tapeworks/ledger")
        overlay = Overlay(self.states)
        self._commit(overlay, self.program.decide_event(envelope, overlay))

    def _commit(self, overlay: Overlay, envelopes) -> None:
        overlay.keep()
        overlay.commit()
        self.events.extend(envelopes)
        self.changed.set()
        self.runner.committed(overlay.changed, tuple(envelopes))

    def restarted(self) -> None:
        """Give the same states a fresh runner, as a new owner has."""
        self.runner = self.program.companion(self)
        self.runner.opened()

    @property
    def event_types(self) -> list[str]:
        return [envelope.event_type for envelope in self.events]

    def job(self, job_id: str) -> Job | None:
        opened = self.states.get(job_key(job_id))
        assert opened is None or isinstance(opened, OpenJob)
        return opened.job if opened else None

    async def until(self, event_type: str) -> None:
        async def seen() -> bool:
            return event_type in self.event_types

        try:
            await eventually(seen, event_type, seconds=5)
        except AssertionError:
            raise AssertionError(f"no {event_type} within 5 s, only {self.event_types}") from None


def reserved(job_id: str | None = None, at: datetime = START) -> CreditsReserved:
    return CreditsReserved(
        account_id="alice",
        occurred_at=at,
        sequence=1,
        balance_after=0,
        job_id=job_id or str(uuid4()),
        price_credits=40,
        transaction_type="video_4s_generation",
        settings=VideoSettings(
            model="veo-3.1", duration_seconds=4, resolution="720p", aspect_ratio="16:9"
        ),
        idempotency_key="key",
        body_sha256="0" * 64,
        private=PrivatePrompt(prompt="a lighthouse"),
    )


def cancellation(job_id: str) -> CancellationAccepted:
    return CancellationAccepted(
        account_id="alice",
        occurred_at=START,
        sequence=2,
        balance_after=0,
        job_id=job_id,
        requested_by="owner",
    )


def failure_code(lane: MemoryLane) -> str:
    event = lane.events[-1].event
    assert isinstance(event, GenerationFailed)
    return event.failure.code
