"""Shows the alerts on the tape to whoever watches a worker: a metric and a line of its log."""

from collections.abc import Sequence

from runtime import metrics
from runtime.logs import logger
from schemas.envelope import Envelope
from schemas.generation import AlertRaised

log = logger(__name__)


def announce_alerts(written: Sequence[Envelope]) -> None:
    """Count and log the alerts among events that were just committed.

    Without the alert's words, which may repeat a provider's answer: the tape holds them.
    """
    for envelope in written:
        alert = envelope.event
        if not isinstance(alert, AlertRaised):
            continue
        labels = (alert.category, alert.code, alert.phase, alert.provider)
        metrics.alerts.labels(*labels).inc()
        log.error(
            "alert_raised",
            category=alert.category,
            code=alert.code,
            phase=alert.phase,
            provider=alert.provider,
            reason=alert.details.get("reason"),
            ends_job=alert.ends_job,
            job_id=alert.job_id,
            event_id=envelope.event_id,
        )
