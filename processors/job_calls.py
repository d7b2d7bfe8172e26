"""The calls a job makes to the outside: submit, poll, download; each told to the lane as a command.

Only the submit is dangerous: it runs once per intent that is on the tape. The others may be
repeated freely (design.md section 3, effects outside Kafka).
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from domain.failures import ProviderFault
from domain.generation_commands import (
    BeginSubmission,
    GenerationCommand,
    RecordMedia,
    RecordMediaFailure,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordRefusal,
    RecordSubmission,
    RecordSubmissionFault,
)
from domain.generation_state import Job
from processors.generation import JobCommand, OpenJob, job_key
from providers.download import MediaFailure, download_video
from providers.protocol import Finished, Provider, ProviderError, Refused, Running, Submission
from runtime.clock import Clock, utc_now
from runtime.event_log.program import LaneHandle
from runtime.logs import logger
from runtime.objects import MediaStore, object_key
from runtime.settings import Settings
from schemas.generation import StoredMedia

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """What calls need, shared by all lanes of a worker; the semaphores bound what runs at once."""

    providers: Mapping[str, Provider]
    store: MediaStore
    settings: Settings
    downloads: asyncio.Semaphore
    calls: Mapping[str, asyncio.Semaphore]
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
            calls=defaultdict(lambda: asyncio.Semaphore(settings.provider_calls_max)),
        )


class JobCalls:
    """Makes one lane's calls."""

    def __init__(self, lane: LaneHandle, outside: Outside) -> None:
        self._lane = lane
        self._outside = outside

    def job(self, job_id: str) -> Job | None:
        """Give a job as it is committed now; None once it ended."""
        opened = self._lane.states.get(job_key(job_id))
        assert opened is None or isinstance(opened, OpenJob)
        return opened.job if opened else None

    async def tell(self, job_id: str, command: GenerationCommand) -> None:
        """Have the lane decide what was learned; returns once it is committed."""
        await self._lane.decide(JobCommand(job_id, command))

    async def submit(self, job: Job) -> None:
        """Put the intent on the tape, then ask the provider once."""
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        async with self._outside.calls[job.provider]:
            await self.tell(job.job_id, BeginSubmission(clock()))
            intended = self.job(job.job_id)
            if intended is None or intended.status != "submitting":
                return
            submission = Submission(job.job_id, job.settings, job.prompt)
            attempt = intended.attempt
            try:
                operation_id = await provider.submit(submission)
            except ProviderError as error:
                await self.tell(job.job_id, RecordSubmissionFault(clock(), attempt, error.fault))
            except Exception as error:
                # An adapter's bug after the intent: nobody knows what was sent.
                log.exception("submit_raised", job_id=job.job_id)
                fault = ProviderFault(kind="permanent", started="unknown", message=repr(error))
                await self.tell(job.job_id, RecordSubmissionFault(clock(), attempt, fault))
            else:
                await self.tell(job.job_id, RecordSubmission(clock(), attempt, operation_id))

    async def poll(self, job: Job) -> float:
        """Ask how the work is going.

        Units: returns the seconds the provider asked us to stay away, 0 if it did not.
        """
        assert job.operation_id is not None, "a job is polled once it was submitted"
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        async with self._outside.calls[job.provider]:
            try:
                answer = await provider.poll(job.settings.model, job.operation_id)
            except ProviderError as error:
                if error.fault.kind == "transient":
                    # A poll that fails says nothing of the job; it is asked again (S0-48).
                    log.warning("poll_failed", job_id=job.job_id, error=str(error))
                    return error.retry_after_seconds or 0.0
                await self.tell(job.job_id, RecordPollFault(clock(), error.fault))
                return 0.0
        match answer:
            case Running(state=state, progress_percent=progress):
                await self.tell(job.job_id, RecordPoll(clock(), state, progress))
            case Finished(source=source):
                await self.tell(job.job_id, RecordOutput(clock(), source))
            case Refused(reasons=reasons):
                await self.tell(job.job_id, RecordRefusal(clock(), reasons))
        return 0.0

    async def download(self, job: Job) -> None:
        """Fetch the finished video into our own store and have it checked."""
        assert job.media_source is not None, "a job is downloaded once it has a source"
        assert job.operation_id is not None, "a job is downloaded once it was submitted"
        clock, provider = self._outside.clock, self._outside.providers[job.provider]
        renewable = provider.capabilities(job.settings.model).poll_renews_link
        async with self._outside.downloads:
            try:
                media = await self._outside.fetch_video(
                    provider,
                    self._outside.store,
                    source=job.media_source,
                    object_key=object_key(job.account_id, job.operation_id),
                    settings=self._outside.settings,
                    renew=partial(self._fresh_source, job) if renewable else None,
                )
            except MediaFailure as error:
                await self.tell(job.job_id, RecordMediaFailure(clock(), error.failure))
            else:
                await self.tell(job.job_id, RecordMedia(clock(), media))

    async def _fresh_source(self, job: Job) -> str | None:
        """Poll finished work once more for a fresh link to its file; None if there is none."""
        assert job.operation_id is not None, "a job is downloaded once it was submitted"
        provider = self._outside.providers[job.provider]
        try:
            async with self._outside.calls[job.provider]:
                answer = await provider.poll(job.settings.model, job.operation_id)
        except ProviderError as error:
            log.warning("renewal_failed", job_id=job.job_id, error=str(error))
            return None
        return answer.source if isinstance(answer, Finished) else None

    async def cancel(self, job: Job) -> None:
        """Ask the provider to stop work nobody waits for any more, where it can; best effort."""
        provider = self._outside.providers[job.provider]
        if job.operation_id is None or not provider.capabilities(job.settings.model).can_cancel:
            return
        try:
            await provider.cancel(job.settings.model, job.operation_id)
        except ProviderError as error:
            log.warning("cancel_failed", job_id=job.job_id, error=str(error))
