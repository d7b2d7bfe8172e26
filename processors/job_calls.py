"""A job's calls to the outside: submit, poll, cancel, download; each told to the lane as a command.

Only the submit is dangerous: it runs once per intent that is on the tape. The others may be
repeated freely (design.md section 3, effects outside Kafka).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from domain.breaker import BreakerLimits
from domain.durations import DurationsByKind
from domain.failures import (
    ProviderFault,
    Trouble,
    operation_taken,
    out_of_reach,
    poll_trouble,
    refusal_trouble,
    submission_unknown,
    system_trouble,
)
from domain.generation_commands import (
    BeginSubmission,
    GenerationCommand,
    RecordCancellation,
    RecordMedia,
    RecordMediaFailure,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordRefusal,
    RecordSubmission,
    RecordSubmissionFault,
    RecordTrouble,
)
from domain.generation_state import Job
from processors.fair_places import FairPlaces
from processors.generation import JobCommand, OpenJob, job_key
from processors.provider_gate import Place, ProviderGate, ProviderPausedError
from providers.download import MediaFailure, download_video
from providers.protocol import Finished, Provider, ProviderError, Refused, Running, Submission
from runtime.clock import Clock, utc_now
from runtime.event_log.program import LaneHandle
from runtime.logs import logger
from runtime.objects import MediaStore, StorageError, object_key, operation_key
from runtime.settings import Settings
from schemas.generation import ProviderCancellation, StoredMedia

log = logger(__name__)
# 10 s: a step that broke down in an unforeseen way is taken again some 60 times in its 10 minutes.
DOWNLOAD_RESTART_SECONDS = 10.0
DOWNLOAD_STEPS_EACH = 2
# 5 s: a claim takes milliseconds; the order's place is held meanwhile.
CLAIM_SECONDS_MAX = 5.0
# 1, 2 s: the waits before the second and third attempt to cancel; the job's owner waits as long.
CANCEL_WAITS_SECONDS = (1.0, 2.0)
# 60 s: a provider that asks to be left alone for longer is asked again all the same; a job's paid
# work would else end unseen.
RETRY_AFTER_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What calls need, shared by all lanes of a worker; gates and semaphore bound what runs."""

    providers: Mapping[str, Provider]
    store: MediaStore
    settings: Settings
    downloads: asyncio.Semaphore
    # More steps than downloads: one that waits out a pause between attempts fetches nothing.
    download_steps: FairPlaces
    gates: Mapping[str, ProviderGate]
    # Of this worker's own jobs: a new one polls at the usual pace until it knows enough.
    durations: DurationsByKind = field(default_factory=DurationsByKind)
    clock: Clock = utc_now
    fetch_video: Callable[..., Awaitable[StoredMedia]] = download_video

    @classmethod
    def open(
        cls, providers: Mapping[str, Provider], store: MediaStore, settings: Settings
    ) -> "Outside":
        """Set the bounds from the settings."""
        return cls(
            providers=providers,
            store=store,
            settings=settings,
            downloads=asyncio.Semaphore(settings.downloads_max),
            download_steps=FairPlaces(settings.downloads_max * DOWNLOAD_STEPS_EACH),
            gates={name: open_gate(name, settings) for name in providers},
        )


def open_gate(provider: str, settings: Settings) -> ProviderGate:
    """Make a provider's gate with the bounds of the settings."""
    limits = BreakerLimits(settings.breaker_failures_max, settings.breaker_open_seconds)
    return ProviderGate(provider, settings.provider_calls_max, limits)


class JobCalls:
    """Makes one lane's calls."""

    def __init__(self, lane: LaneHandle, outside: Outside) -> None:
        self._lane = lane
        self._outside = outside
        # What the last order or poll of a job ran into; gone with the first that is answered.
        self._met: dict[str, Trouble] = {}

    def met(self, job: Job) -> Trouble | None:
        """Give what stands in a job's way: its provider's breaker, or what its last call met."""
        gate = self._outside.gates[job.provider]
        if job.status == "pending" and gate.breaker.state != "closed":
            return out_of_reach(job.provider)
        return self._met.get(job.job_id)

    def forget(self, job_id: str) -> None:
        """Drop what is remembered of a job that ended."""
        self._met.pop(job_id, None)

    def job(self, job_id: str) -> Job | None:
        """Give a job as it is committed now; None once it ended."""
        opened = self._lane.states.get(job_key(job_id))
        assert opened is None or isinstance(opened, OpenJob)
        return opened.job if opened else None

    async def tell(self, job_id: str, command: GenerationCommand) -> None:
        """Have the lane decide what was learned; returns once it is committed."""
        await self._lane.decide(JobCommand(job_id, command))

    async def submit(self, job: Job, place: Place) -> None:
        """Put the intent on the tape, then ask the provider once."""
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        await self.tell(job.job_id, BeginSubmission(clock()))
        intended = self.job(job.job_id)
        if intended is None or intended.status != "submitting":
            return
        # A commit whose markers are lost may be taken back, and what was ordered then is not.
        await self._lane.readable()
        assert intended.prompt is not None, "the words of a job are kept until it is submitted"
        submission = Submission(job.job_id, job.settings, intended.prompt)
        attempt = intended.attempt
        try:
            operation_id = await provider.submit(submission)
        except ProviderError as error:
            place.told(error.fault)
            # If its turn to be ordered again does not come in time, this is the reason.
            self._met[job.job_id] = refusal_trouble(error.fault)
            away = timedelta(seconds=error.retry_after_seconds or 0.0)
            fault = RecordSubmissionFault(clock(), attempt, error.fault, away)
            await self.tell(job.job_id, fault)
        except Exception as error:
            # An adapter's bug after the intent: nobody knows what was sent.
            log.exception("submit_raised", job_id=job.job_id)
            bug = ProviderFault(kind="permanent", started="unknown", message=repr(error))
            await self.tell(job.job_id, RecordSubmissionFault(clock(), attempt, bug))
        else:
            place.told(None)
            self._met.pop(job.job_id, None)
            if await self._is_surely_anothers(job, operation_id):
                taken = RecordSubmissionFault(clock(), attempt, operation_taken())
                await self.tell(job.job_id, taken)
                return
            await self.tell(job.job_id, RecordSubmission(clock(), attempt, operation_id))

    async def _is_surely_anothers(self, job: Job, operation_id: str) -> bool:
        """Claim an operation as soon as it is known; a store that is away holds nothing up."""
        try:
            async with asyncio.timeout(CLAIM_SECONDS_MAX):
                return await self._is_anothers(job, operation_id)
        except (StorageError, TimeoutError) as error:
            log.warning("operation_not_claimed", job_id=job.job_id, error=repr(error))
            return False

    async def _is_anothers(self, job: Job, operation_id: str) -> bool:
        """Claim an operation for a job; say whether another job has done so before.

        Source: decision 0033.
        """
        key = operation_key(job.provider, operation_id)
        owner = await self._outside.store.claimed(key, job.job_id)
        if owner != job.job_id:
            log.error("operation_taken", job_id=job.job_id, provider=job.provider, owner=owner)
        return owner != job.job_id

    async def _claim(self, job: Job) -> None:
        """Make sure that a job's operation is its own before its file is looked at."""
        assert job.operation_id is not None, "a job is downloaded once it was submitted"
        if await self._is_anothers(job, job.operation_id):
            raise MediaFailure(submission_unknown(operation_taken()))

    async def poll(self, job: Job, place: Place) -> float:
        """Ask how the work is going; a poll that brings no answer is asked again.

        Units: returns the seconds the provider asked us to stay away, 60 at most, 0 if it did not.
        """
        assert job.operation_id is not None, "a job is polled once it was submitted"
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        try:
            answer = await provider.poll(job.settings.model, job.operation_id)
        except ProviderError as error:
            place.told(error.fault)
            if error.fault.kind == "transient":
                # A poll that fails says nothing of the job; it is asked again (S0-48).
                log.warning("poll_failed", job_id=job.job_id, error=str(error))
                await self._meet(job, poll_trouble(error.fault))
                return min(error.retry_after_seconds or 0.0, RETRY_AFTER_SECONDS_MAX)
            await self.tell(job.job_id, RecordPollFault(clock(), error.fault))
            return 0.0
        except Exception as error:
            # S0-83: an adapter's bug with one answer must not stop the other jobs.
            log.exception("poll_raised", job_id=job.job_id)
            await self._meet(job, system_trouble("poll", error))
            return 0.0
        place.told(None)
        self._met.pop(job.job_id, None)
        if isinstance(answer, Finished) and job.submitted_at is not None:
            age = clock() - job.submitted_at
            self._outside.durations.of(job.settings).note(max(age.total_seconds(), 0.0))
        match answer:
            case Running(state, progress, position):
                await self.tell(job.job_id, RecordPoll(clock(), state, progress, position))
            case Finished(source, video_id):
                await self.tell(job.job_id, RecordOutput(clock(), source, video_id))
            case Refused(reasons=reasons, category=category, confidence=confidence):
                refusal = RecordRefusal(clock(), reasons, category, confidence)
                await self.tell(job.job_id, refusal)
        return 0.0

    async def _meet(self, job: Job, trouble: Trouble) -> None:
        self._met[job.job_id] = trouble
        await self.tell(job.job_id, RecordTrouble(self._outside.clock(), trouble))

    async def download(self, job: Job) -> float:
        """Fetch the finished video into our own store and have it checked.

        Units: returns the seconds until a download that broke down is begun again.
        """
        assert job.media_source is not None, "a job is downloaded once it has a source"
        assert job.operation_id is not None, "a job is downloaded once it was submitted"
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        renewable = provider.capabilities(job.settings.model).poll_renews_link
        try:
            media = await self._outside.fetch_video(
                provider,
                self._outside.store,
                source=job.media_source,
                object_key=object_key(job.account_id, job.operation_id),
                settings=self._outside.settings,
                places=self._outside.downloads,
                claim=partial(self._claim, job),
                renew=partial(self._fresh_source, job) if renewable else None,
            )
        except MediaFailure as error:
            await self.tell(job.job_id, RecordMediaFailure(clock(), error.failure))
        except Exception as error:
            # S0-83: as with a poll.
            log.exception("download_raised", job_id=job.job_id)
            trouble = RecordTrouble(clock(), system_trouble("download", error))
            await self.tell(job.job_id, trouble)
            return DOWNLOAD_RESTART_SECONDS
        else:
            await self.tell(job.job_id, RecordMedia(clock(), media))
        return 0.0

    async def _fresh_source(self, job: Job) -> str | None:
        """Poll finished work once more for a fresh link to its file; None if there is none."""
        assert job.operation_id is not None, "a job is downloaded once it was submitted"
        provider = self._outside.providers[job.provider]
        try:
            async with self._read_place(job):
                answer = await provider.poll(job.settings.model, job.operation_id)
        except (ProviderError, ProviderPausedError) as error:
            log.warning("renewal_failed", job_id=job.job_id, error=str(error))
            return None
        return answer.source if isinstance(answer, Finished) else None

    @asynccontextmanager
    async def _read_place(self, job: Job) -> AsyncIterator[None]:
        """Hold a place for one read, and have the gate learn from how it ends."""
        async with self._outside.gates[job.provider].place(job.account_id) as place:
            try:
                yield
            except ProviderError as error:
                place.told(error.fault)
                raise
            place.told(None)

    async def stop(self, job: Job) -> None:
        """Have the provider stop a job whose cancellation was accepted, and end it (C28)."""
        answer = await self.cancel(job)
        await self.tell(job.job_id, RecordCancellation(self._outside.clock(), answer))

    async def cancel(self, job: Job) -> ProviderCancellation:
        """Ask the provider to stop work nobody waits for any more, where it can.

        Guarantee: gives up after 3 attempts; the same work may be cancelled any number of times.
        """
        assert job.operation_id is not None, "there is nothing to stop before the submission"
        provider = self._outside.providers[job.provider]
        if not provider.capabilities(job.settings.model).can_cancel:
            return "not_offered"
        for wait_seconds in (*CANCEL_WAITS_SECONDS, None):
            try:
                async with self._read_place(job):
                    return await provider.cancel(job.settings.model, job.operation_id)
            except ProviderPausedError as error:
                log.warning("cancel_failed", job_id=job.job_id, error=str(error))
                break
            except ProviderError as error:
                log.warning("cancel_failed", job_id=job.job_id, error=str(error))
                if error.fault.kind != "transient" or wait_seconds is None:
                    break
                await asyncio.sleep(wait_seconds)
            except Exception:
                # An adapter's bug must not hold the end of a job that nobody waits for.
                log.exception("cancel_raised", job_id=job.job_id)
                break
        return "unreachable"
