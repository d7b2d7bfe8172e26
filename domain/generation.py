"""A generation job: asked once, followed to its end, ended once.

Pure: no clock, no randomness, no I/O; times and answers arrive inside the command. A command that
comes too late, twice or out of place is answered with no events (I14, I20).
"""

from dataclasses import replace
from datetime import datetime
from typing import Literal, cast

from domain.catalogue import CATALOGUE, cost_micro_dollars
from domain.failures import (
    ProviderFault,
    download_failed,
    provider_failed,
    provider_rejected,
    safety_blocked,
    submission_unknown,
    timed_out,
)
from domain.generation_commands import (
    BeginSubmission,
    CancelJob,
    CheckDeadline,
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
    RecoverSubmission,
)
from domain.generation_state import Job, Limits
from schemas.base import JobEvent
from schemas.failure import Failure
from schemas.generation import (
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    PrivateMedia,
    ProviderCancellation,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.ledger import CancellationAccepted, CreditsReserved

Events = tuple[JobEvent, ...]
_DEFAULT_LIMITS = Limits()


def decide(job: Job | None, command: GenerationCommand, limits: Limits = _DEFAULT_LIMITS) -> Events:
    """Answer one command about a job; None is a job that was never reserved."""
    if job is None or job.ended:
        return ()
    match job.status:
        case "pending":
            return _while_pending(job, command, limits)
        case "submitting":
            return _while_submitting(job, command, limits)
        case "processing":
            return _while_processing(job, command, limits)
        case "downloading":
            return _while_downloading(job, command, limits)
        case _:
            raise AssertionError(f"no rule for a job that is {job.status}")


def _while_pending(job: Job, command: GenerationCommand, limits: Limits) -> Events:
    match command:
        case BeginSubmission() | CheckDeadline() if command.at >= job.deadline(limits):
            return (_failed(job, command.at, timed_out(command.at - job.reserved_at)),)
        case BeginSubmission(at) | CancelJob(at) if job.cancel_requested_by is not None:
            return (_cancelled(job, at, None),)
        case BeginSubmission(at) if job.retry_at is None or at >= job.retry_at:
            return (
                SubmissionIntended(
                    account_id=job.account_id,
                    occurred_at=at,
                    job_id=job.job_id,
                    attempt=job.attempt + 1,
                    provider=job.provider,
                    model=job.settings.model,
                ),
            )
        case _:
            return ()


def _while_submitting(job: Job, command: GenerationCommand, limits: Limits) -> Events:
    match command:
        case RecordSubmission(at, attempt, operation_id) if attempt == job.attempt:
            return (
                GenerationSubmitted(
                    account_id=job.account_id,
                    occurred_at=at,
                    job_id=job.job_id,
                    attempt=attempt,
                    provider=job.provider,
                    operation_id=operation_id,
                ),
            )
        case RecordSubmissionFault(at, attempt, fault) if attempt == job.attempt:
            return _after_submission_fault(job, at, fault, limits)
        case RecoverSubmission(at):
            return (_failed(job, at, submission_unknown(None)),)
        case _:
            return ()


def _after_submission_fault(job: Job, at: datetime, fault: ProviderFault, limits: Limits) -> Events:
    """Retry only what surely was not started; what may have been started is not sent again."""
    if fault.started != "no":
        return (_failed(job, at, submission_unknown(fault), fault),)
    if job.cancel_requested_by is not None:
        return (_cancelled(job, at, None),)
    if fault.kind == "rejected":
        return (_failed(job, at, provider_rejected(fault), fault),)
    retry_at = at + limits.submit_retry_wait * 2 ** (job.attempt - 1)
    spent = job.attempt >= limits.submit_attempts_max
    if fault.kind != "transient" or spent or retry_at >= job.deadline(limits):
        return (_failed(job, at, provider_failed(fault), fault),)
    return (
        SubmissionRefused(
            account_id=job.account_id,
            occurred_at=at,
            job_id=job.job_id,
            attempt=job.attempt,
            provider=job.provider,
            reason=fault.message[:2000],
            retry_at=retry_at,
        ),
    )


def _while_processing(job: Job, command: GenerationCommand, limits: Limits) -> Events:
    match command:
        case RecordPoll(at, state, progress):
            return _polled(job, at, state, progress, limits)
        case RecordOutput(at) if at >= job.deadline(limits):
            # C14: a success after the limit is not delivered as paid work.
            return (_failed(job, at, timed_out(at - job.reserved_at)),)
        case RecordOutput(at) if job.cancel_requested_by is not None:
            return (_cancelled(job, at, "too_late"),)
        case RecordOutput(at, source):
            return (
                DownloadStarted(
                    account_id=job.account_id,
                    occurred_at=at,
                    job_id=job.job_id,
                    provider=job.provider,
                    private=PrivateMedia(source=source),
                ),
            )
        case RecordRefusal(at, reasons):
            return (_failed(job, at, safety_blocked(reasons)),)
        case RecordPollFault(at, fault):
            return (_failed(job, at, provider_failed(fault), fault),)
        case CheckDeadline(at) if at >= job.deadline(limits):
            return (_failed(job, at, timed_out(at - job.reserved_at)),)
        case RecordCancellation(at, answer) if job.cancel_requested_by is not None:
            return (_cancelled(job, at, answer),)
        case _:
            return ()


def _polled(job: Job, at: datetime, state: str, progress: int | None, limits: Limits) -> Events:
    if at >= job.deadline(limits):
        return (_failed(job, at, timed_out(at - job.reserved_at)),)
    # Progress never falls (I41): a provider that goes back is shown where it was.
    told = [percent for percent in (progress, job.progress_percent) if percent is not None]
    shown = max(told, default=None)
    unchanged = (state, shown) == (job.provider_state, job.progress_percent)
    written_at = job.poll_written_at
    if unchanged and written_at is not None and at - written_at < limits.poll_event_gap:
        return ()
    return (
        GenerationPolled(
            account_id=job.account_id,
            occurred_at=at,
            job_id=job.job_id,
            provider_state=cast("Literal['queued', 'running', 'done']", state),
            progress_percent=shown,
        ),
    )


def _while_downloading(job: Job, command: GenerationCommand, limits: Limits) -> Events:
    match command:
        case RecordMedia(at, media):
            model = CATALOGUE[job.settings.model]
            return (
                GenerationCompleted(
                    account_id=job.account_id,
                    occurred_at=at,
                    job_id=job.job_id,
                    media=media,
                    provider=job.provider,
                    cost_micro_dollars=cost_micro_dollars(model, job.settings),
                ),
            )
        case RecordMediaFailure(at, failure):
            return (_failed(job, at, failure),)
        case CheckDeadline(at) if at >= job.deadline(limits):
            return (_failed(job, at, download_failed("it took longer than its limit")),)
        case CancelJob(at) if job.cancel_requested_by is not None:
            return (_cancelled(job, at, "too_late"),)
        case _:
            return ()


def _failed(
    job: Job, at: datetime, failure: Failure, fault: ProviderFault | None = None
) -> GenerationFailed:
    return GenerationFailed(
        account_id=job.account_id,
        occurred_at=at,
        job_id=job.job_id,
        failure=failure,
        provider_status=fault.status if fault else None,
        provider_code=fault.code[:200] if fault and fault.code else None,
        provider_detail=fault.message[:2000] if fault else None,
    )


def _cancelled(job: Job, at: datetime, answer: ProviderCancellation | None) -> GenerationCancelled:
    """End a cancelled job; without an answer the provider was never asked for the work."""
    submitted = answer is not None
    model = CATALOGUE[job.settings.model]
    return GenerationCancelled(
        account_id=job.account_id,
        occurred_at=at,
        job_id=job.job_id,
        submitted=submitted,
        requested_by=job.cancel_requested_by or "owner",
        provider_cancellation=answer,
        cost_micro_dollars=cost_micro_dollars(model, job.settings) if submitted else None,
    )


def evolve(job: Job | None, event: JobEvent | CreditsReserved | CancellationAccepted) -> Job | None:
    """Apply one event, ours or the ledger's. Total: none is refused; an end is never left."""
    if isinstance(event, CreditsReserved):
        return job or _reserved(event)
    if job is None or job.ended:
        return job
    match event:
        case CancellationAccepted(requested_by=requested_by):
            return replace(job, cancel_requested_by=requested_by)
        case SubmissionIntended(attempt=attempt):
            return replace(job, status="submitting", attempt=attempt, retry_at=None)
        case SubmissionRefused(retry_at=retry_at):
            return replace(job, status="pending", retry_at=retry_at)
        case GenerationSubmitted(operation_id=operation_id, occurred_at=at):
            return replace(job, status="processing", operation_id=operation_id, submitted_at=at)
        case GenerationPolled(provider_state=state, progress_percent=progress, occurred_at=at):
            return replace(job, provider_state=state, progress_percent=progress, poll_written_at=at)
        case DownloadStarted(private=private, occurred_at=at):
            return replace(
                job,
                status="downloading",
                media_source=private.source,
                download_started_at=at,
            )
        case GenerationCompleted():
            return replace(job, status="completed")
        case GenerationFailed():
            return replace(job, status="failed")
        case GenerationCancelled():
            return replace(job, status="cancelled")
        case _:
            return job


def _reserved(event: CreditsReserved) -> Job:
    return Job(
        job_id=event.job_id,
        account_id=event.account_id,
        provider=CATALOGUE[event.settings.model].provider,
        settings=event.settings,
        prompt=event.private,
        status="pending",
        reserved_at=event.occurred_at,
    )
