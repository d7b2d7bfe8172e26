"""What operators are told of a job, as events beside its own. Pure."""

from datetime import datetime

from domain.failures import ProviderFault, Trouble, never_mended
from domain.generation_state import Job
from schemas.base import Detail
from schemas.failure import Failure, Phase
from schemas.generation import AlertRaised

# Characters: what an event's text holds (schemas.base.LongText).
MESSAGE_CHARACTERS_MAX = 2000


def alert_of_failure(
    job: Job, at: datetime, failure: Failure, phase: Phase, fault: ProviderFault | None
) -> AlertRaised:
    """Tell of a failure that ends the job."""
    if fault is not None:
        message = fault.message
    else:
        message = str(failure.details.get("problem", failure.message))
    return AlertRaised(
        account_id=job.account_id,
        occurred_at=at,
        job_id=job.job_id,
        category=failure.category,
        code=failure.code,
        phase=phase,
        provider=job.provider,
        ends_job=True,
        message=message[:MESSAGE_CHARACTERS_MAX],
        details=failure.details,
    )


def alert_of_trouble(job: Job, at: datetime, trouble: Trouble) -> AlertRaised:
    """Tell of something that stands in the way of a job that goes on."""
    details: dict[str, Detail] = {"reason": trouble.reason}
    if trouble.status is not None:
        details["provider_status"] = trouble.status
    if trouble.code is not None:
        details["provider_code"] = trouble.code
    return AlertRaised(
        account_id=job.account_id,
        occurred_at=at,
        job_id=job.job_id,
        category=trouble.category,
        code=never_mended(trouble, at - job.reserved_at).code,
        phase=trouble.phase,
        provider=job.provider,
        ends_job=False,
        message=trouble.message[:MESSAGE_CHARACTERS_MAX],
        details=details,
    )


def trouble_of(alert: AlertRaised) -> Trouble | None:
    """Give what a job remembers of an alert: what it may yet fail by."""
    if alert.ends_job:
        return None
    status = alert.details.get("provider_status")
    code = alert.details.get("provider_code")
    return Trouble(
        category=alert.category,
        phase=alert.phase,
        reason=str(alert.details.get("reason", alert.code)),
        message=alert.message,
        status=status if isinstance(status, int) else None,
        code=str(code) if code is not None else None,
    )
