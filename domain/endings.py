"""How a job ends, and what is told on the way: the events of failures, troubles and cancellations.

Pure, and without rules of its own: the refund table says who is told of what.
"""

from datetime import datetime

from domain.alerts import alert_of_failure, alert_of_trouble
from domain.catalogue import CATALOGUE, cost_micro_dollars
from domain.failures import ProviderFault, Trouble, never_mended
from domain.generation_state import Job
from domain.refunds import REFUND_BY_FAILURE
from schemas.base import JobEvent
from schemas.failure import Failure, Phase
from schemas.generation import GenerationCancelled, GenerationFailed, ProviderCancellation


def troubled(job: Job, at: datetime, trouble: Trouble) -> tuple[JobEvent, ...]:
    """Tell operators of a trouble that the job may outlive, where its category says so."""
    at_once = REFUND_BY_FAILURE[trouble.category].alert == "at_once"
    if not at_once or trouble.category in job.alerted:
        return ()
    return (alert_of_trouble(job, at, trouble),)


def overdue(
    job: Job, at: datetime, failure: Failure, phase: Phase, met: Trouble | None
) -> tuple[JobEvent, ...]:
    """End a job whose time is over; what stood in its way to the last is what it failed by.

    Only what operators are told of counts: what passes by itself is a matter of time.
    """
    trouble = job.trouble or met
    if trouble is not None and REFUND_BY_FAILURE[trouble.category].alert != "never":
        return failed(job, at, never_mended(trouble, at - job.reserved_at), phase)
    return failed(job, at, failure, phase)


def failed(
    job: Job,
    at: datetime,
    failure: Failure,
    phase: Phase,
    fault: ProviderFault | None = None,
) -> tuple[JobEvent, ...]:
    """End a job; its alert, if it raises one, stands before the end: nothing follows that."""
    rule = REFUND_BY_FAILURE[failure.category]
    ended = _ended(job, at, failure, fault)
    if rule.alert == "never" or failure.category in job.alerted:
        return (ended,)
    return (alert_of_failure(job, at, failure, phase, fault), ended)


def _ended(
    job: Job, at: datetime, failure: Failure, fault: ProviderFault | None
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


def cancelled(job: Job, at: datetime, answer: ProviderCancellation | None) -> GenerationCancelled:
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
