"""How each model of the catalogue behaves at its provider. Data, not code."""

from collections.abc import Mapping
from dataclasses import replace

from domain.catalogue import VEO_3_1
from providers.protocol import Capabilities

# Three intervals: far enough apart to go easy on a slow job, near enough to end it soon.
_SLOWEST_POLL_INTERVALS = 3

VEO_3_1_AT_GOOGLE = Capabilities(
    model=VEO_3_1.name,
    provider=VEO_3_1.provider,
    # The Gemini API has neither a key nor a lookup: a repeated submit is a second paid job.
    accepts_idempotency_key=False,
    finds_by_reference=False,
    can_cancel=False,
    # Filtered and failed clips are not charged.
    bills_on_failure=False,
    on_unknown_submission="fail",
    # S0-45; 30 s at most: a finished job waits no longer than that to be noticed.
    poll_interval_seconds=10.0,
    poll_interval_seconds_max=30.0,
    # 60 s: an accepted submit answers within seconds; above the 30 s that pool, connection and
    # TLS may take together, so that those end as "nothing was sent".
    submit_timeout_seconds=60.0,
    # 20 s: a poll is small and may be repeated; two fit between slow polls.
    poll_timeout_seconds=20.0,
    # S0-54: two days.
    url_life_seconds=172_800.0,
)
CAPABILITIES: Mapping[str, Capabilities] = {VEO_3_1_AT_GOOGLE.model: VEO_3_1_AT_GOOGLE}


def with_poll_interval(record: Capabilities, interval_seconds: float | None) -> Capabilities:
    """Give the record with an operator's poll interval in place of its own; None keeps it.

    Units: seconds.
    """
    if interval_seconds is None:
        return record
    return replace(
        record,
        poll_interval_seconds=interval_seconds,
        poll_interval_seconds_max=interval_seconds * _SLOWEST_POLL_INTERVALS,
    )
