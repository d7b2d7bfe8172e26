"""How each model of the catalogue behaves at its provider. Data, not code."""

from collections.abc import Mapping
from dataclasses import replace

from domain.catalogue import FAL_VEO_3_1, SORA_2_IMAGE, VEO_3_1, VEO_3_1_VERTEX
from providers.protocol import Capabilities
from runtime.settings import Settings

# Three intervals: far enough apart to go easy on a slow job, near enough to end it soon.
_SLOWEST_POLL_INTERVALS = 3

VEO_3_1_AT_GOOGLE = Capabilities(
    model=VEO_3_1.name,
    provider=VEO_3_1.provider,
    # The Gemini API has neither a key nor a lookup: a repeated submit is a second paid job.
    accepts_idempotency_key=False,
    finds_by_reference=False,
    cancels="never",
    # Filtered and failed clips are not charged.
    bills_on_failure=False,
    on_unknown_submission="fail",
    # Half a second: a video takes eleven at least; no provider gains by being asked more often.
    poll_gap_seconds_min=0.5,
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
    # A file is gone after its two days; its address never changes.
    poll_renews_link=False,
)
VEO_3_1_AT_VERTEX = replace(
    VEO_3_1_AT_GOOGLE,
    model=VEO_3_1_VERTEX.name,
    provider=VEO_3_1_VERTEX.provider,
    # Not documented: the time that the Gemini API keeps files. There is no link to renew: the
    # video is in the operation, which is read anew for each download.
)
VEO_3_1_AT_FAL = Capabilities(
    model=FAL_VEO_3_1.name,
    provider=FAL_VEO_3_1.provider,
    # The queue takes no key of ours and lists no requests.
    accepts_idempotency_key=False,
    finds_by_reference=False,
    # What runs already is told to stop, and may not.
    cancels="while_queued",
    # Platform faults (5xx) are never billed; refusals by the model (422) may be.
    bills_on_failure=True,
    on_unknown_submission="fail",
    poll_gap_seconds_min=0.5,
    # 5 s: fal limits jobs, not calls, and its own client polls ten times a second.
    poll_interval_seconds=5.0,
    poll_interval_seconds_max=15.0,
    submit_timeout_seconds=60.0,
    # 20 s: for the status and the result together.
    poll_timeout_seconds=20.0,
    # One day: not promised for output; the time that an account may set begins there.
    url_life_seconds=86_400.0,
    poll_renews_link=True,
)
SORA_2_AT_FAL = replace(VEO_3_1_AT_FAL, model=SORA_2_IMAGE.name)
CAPABILITIES: Mapping[str, Capabilities] = {
    record.model: record
    for record in (VEO_3_1_AT_GOOGLE, VEO_3_1_AT_VERTEX, VEO_3_1_AT_FAL, SORA_2_AT_FAL)
}


def records_of(
    provider: str, records: Mapping[str, Capabilities], settings: Settings
) -> dict[str, Capabilities]:
    """Give one provider's records by model, with what an operator set in place of their own."""
    return {
        model: with_submit_timeout(
            with_poll_interval(record, settings.poll_interval_seconds),
            settings.submit_timeout_seconds,
        )
        for model, record in records.items()
        if record.provider == provider
    }


def with_submit_timeout(record: Capabilities, timeout_seconds: float | None) -> Capabilities:
    """Give the record with an operator's deadline for orders in place of its own; None keeps it.

    Units: seconds. A shorter one is safe: an order that may have arrived is never sent again.
    """
    if timeout_seconds is None:
        return record
    return replace(record, submit_timeout_seconds=timeout_seconds)


def with_poll_interval(record: Capabilities, interval_seconds: float | None) -> Capabilities:
    """Give the record with an operator's poll interval in place of its own; None keeps it.

    Units: seconds; never below the provider's own least gap.
    """
    if interval_seconds is None:
        return record
    interval_seconds = max(interval_seconds, record.poll_gap_seconds_min)
    return replace(
        record,
        poll_interval_seconds=interval_seconds,
        poll_interval_seconds_max=interval_seconds * _SLOWEST_POLL_INTERVALS,
    )
