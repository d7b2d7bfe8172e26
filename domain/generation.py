"""A generation job: asked once, followed to its end, ended once.

Pure: no clock, no randomness, no I/O; times and answers arrive inside the command. A command that
comes too late, twice or out of place is answered with no events (I14, I20).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from domain.alerts import trouble_of
from domain.catalogue import CATALOGUE, cost_micro_dollars
from domain.endings import cancelled, failed, overdue, troubled
from domain.failures import (
    download_failed,
    never_mended,
    phase_of,
    provider_fault,
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
    RecordTrouble,
    RecoverSubmission,
)
from domain.generation_state import Job, JobStatus, Limits
from domain.refunds import REFUND_BY_FAILURE
from schemas.base import JobEvent
from schemas.generation import (
    AlertRaised,
    DownloadStarted,
    GenerationCancelled,
    GenerationCompleted,
    GenerationFailed,
    GenerationPolled,
    GenerationSubmitted,
    PrivateMedia,
    SubmissionIntended,
    SubmissionRefused,
)
from schemas.ledger import CancellationAccepted, CreditsReserved

Events = tuple[JobEvent, ...]
_DEFAULT_LIMITS = Limits()
_END_STATUS: Mapping[type[JobEvent], JobStatus] = {
    GenerationCompleted: "completed",
    GenerationFailed: "failed",
    GenerationCancelled: "cancelled",
}


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
            age = command.at - job.reserved_at
            met = command.met if isinstance(command, CheckDeadline) else None
            # Nothing was begun: a provider out of reach is the reason, not a slow video.
            failure = never_mended(met, age) if met else timed_out(age)
            return failed(job, command.at, failure, "submit")
        case BeginSubmission(at) | CancelJob(at) if job.cancel_requested_by is not None:
            return (cancelled(job, at, None),)
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
        case RecordSubmissionFault(attempt=attempt) if attempt == job.attempt:
            return _after_submission_fault(job, command, limits)
        case RecoverSubmission(at):
            return failed(job, at, submission_unknown(None), "submit")
        case _:
            return ()


def _after_submission_fault(job: Job, command: RecordSubmissionFault, limits: Limits) -> Events:
    """Retry only what surely was not started; what may have been started is not sent again."""
    at, fault = command.at, command.fault
    if fault.started != "no":
        return failed(job, at, submission_unknown(fault), "submit", fault)
    if job.cancel_requested_by is not None:
        return (cancelled(job, at, None),)
    failure = provider_fault(fault)
    asked_for = min(command.retry_after, limits.submit_retry_wait_max)
    retry_at = at + max(limits.submit_retry_wait * 2 ** (job.attempt - 1), asked_for)
    spent = job.attempt >= limits.submit_attempts_max or retry_at >= job.deadline(limits)
    if REFUND_BY_FAILURE[failure.category].retry != "submission" or spent:
        return failed(job, at, failure, "submit", fault)
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
        case RecordPoll():
            return _polled(job, command, limits)
        case RecordOutput(at) if at >= job.deadline(limits):
            # C14: a success after the limit is not delivered as paid work.
            return failed(job, at, timed_out(at - job.reserved_at), "poll")
        case RecordOutput(at) if job.cancel_requested_by is not None:
            return (cancelled(job, at, "too_late"),)
        case RecordOutput(at, source, provider_video_id):
            return (
                DownloadStarted(
                    account_id=job.account_id,
                    occurred_at=at,
                    job_id=job.job_id,
                    provider=job.provider,
                    provider_video_id=provider_video_id,
                    private=PrivateMedia(source=source),
                ),
            )
        case RecordRefusal(at, reasons, category, confidence):
            return failed(job, at, safety_blocked(reasons, category, confidence), "poll")
        case RecordPollFault(at, fault):
            return failed(job, at, provider_fault(fault), "poll", fault)
        case RecordTrouble(at, trouble):
            return troubled(job, at, trouble)
        case CheckDeadline(at, met) if at >= job.deadline(limits):
            return overdue(job, at, timed_out(at - job.reserved_at), "poll", met)
        case RecordCancellation(at, answer) if job.cancel_requested_by is not None:
            return (cancelled(job, at, answer),)
        case _:
            return ()


def _polled(job: Job, poll: RecordPoll, limits: Limits) -> Events:
    at, state = poll.at, poll.provider_state
    if at >= job.deadline(limits):
        return failed(job, at, timed_out(at - job.reserved_at), "poll")
    # Progress never falls (I41), and a place in the queue never rises: a provider that goes back
    # is shown where it was.
    progress = max(_told(poll.progress_percent, job.progress_percent), default=None)
    queued = state == "queued"
    position = min(_told(poll.queue_position, job.queue_position), default=None) if queued else None
    unchanged = (state, progress) == (job.provider_state, job.progress_percent)
    unchanged = unchanged and position in (None, job.queue_position)
    written_at = job.poll_written_at
    # An answer after a trouble is written: it says that the trouble is over.
    if (
        unchanged
        and job.trouble is None
        and written_at is not None
        and at - written_at < limits.poll_event_gap
    ):
        return ()
    return (
        GenerationPolled(
            account_id=job.account_id,
            occurred_at=at,
            job_id=job.job_id,
            provider_state=cast("Literal['queued', 'running', 'done']", state),
            progress_percent=progress,
            queue_position=position,
        ),
    )


def _told(*numbers: int | None) -> list[int]:
    return [number for number in numbers if number is not None]


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
            return failed(job, at, failure, phase_of(failure, "download"))
        case RecordTrouble(at, trouble):
            return troubled(job, at, trouble)
        case CheckDeadline(at, met) if at >= job.deadline(limits):
            late = download_failed("it took longer than its limit")
            return overdue(job, at, late, "download", met)
        case CancelJob(at) if job.cancel_requested_by is not None:
            return (cancelled(job, at, "too_late"),)
        case _:
            return ()


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
            return replace(
                job, status="processing", operation_id=operation_id, submitted_at=at, prompt=None
            )
        case GenerationPolled():
            position = event.queue_position
            return replace(
                job,
                provider_state=event.provider_state,
                progress_percent=event.progress_percent,
                queue_position=job.queue_position if position is None else position,
                poll_written_at=event.occurred_at,
                trouble=None,
            )
        case DownloadStarted(private=private, occurred_at=at):
            return replace(
                job,
                status="downloading",
                media_source=private.source,
                download_started_at=at,
                trouble=None,
            )
        case AlertRaised(category=category):
            told = (*job.alerted, *({category} - {*job.alerted}))
            return replace(job, alerted=told, trouble=trouble_of(event))
        case GenerationCompleted() | GenerationFailed() | GenerationCancelled():
            return replace(job, status=_END_STATUS[type(event)])
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
