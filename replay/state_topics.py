"""Compares the processors' state topics with what the event topics say they hold (T5). No I/O."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec

from domain.ledger_state import EndedJob, KeyUse
from processors import expiry, generation, ledger
from replay.account_fold import AccountFold
from replay.checks import FORGET_MARGIN, Check
from replay.job_story import JobStory
from runtime.event_log.states import PrefixCodec

LEDGER_CODEC = PrefixCodec(ledger.STATE_TYPES)
GENERATION_CODEC = PrefixCodec(generation.STATE_TYPES)
_EMPTY = object()


def ledger_states(fold: AccountFold) -> Iterator[tuple[str, object]]:
    """Give the states that the ledger must have."""
    for account_id, account in fold.accounts.items():
        yield f"{ledger.ACCOUNT}/{account_id}", account
    for name, reservation in fold.reservations.items():
        yield f"{ledger.JOB}/{name}", reservation
    for name, ended in fold.ended.items():
        yield f"{expiry.ENDED}/{name}", ended
    for name, key_use in fold.key_uses.items():
        yield f"{expiry.KEY}/{name}", key_use


def generation_states(stories: Iterable[JobStory]) -> Iterator[tuple[str, object]]:
    """Give the states that the generation processor must have."""
    for story in stories:
        opened = story.open_job()
        if opened is not None:
            yield generation.job_key(story.job_id), opened


def compare_states(
    check: Check,
    place: str,
    codec: PrefixCodec,
    expected: Iterable[tuple[str, object]],
    stored: Mapping[str, bytes],
    *,
    now: datetime,
) -> None:
    """Hold a state topic's partition against a fold; what is over by itself may differ.

    Shape: `stored`: the newest value of each key that is no tombstone, without positions.
    """
    unexpected = dict(stored)
    for key, state in expected:
        check.looked_at += 1
        value = unexpected.pop(key, None)
        if value is not None and value == codec.encode(state):
            continue
        found = _decoded(codec, key, value)
        if found != state and not _is_over(state, now):
            text = "has no such key" if found is _EMPTY else f"has {_shown(found)}"
            check.wrong(f"{place} key {key} {text}, the log says {_shown(state)}")
    for key, value in unexpected.items():
        check.looked_at += 1
        found = _decoded(codec, key, value)
        if not _is_over(found, now):
            check.wrong(f"{place} key {key} has {_shown(found)}, the log knows of none")


def _decoded(codec: PrefixCodec, key: str, value: bytes | None) -> object:
    if value is None:
        return _EMPTY
    try:
        return codec.decode(key, value)
    except (KeyError, msgspec.DecodeError, ValueError) as error:
        return f"bytes that cannot be read ({type(error).__name__})"


def _is_over(state: object, now: datetime) -> bool:
    return isinstance(state, KeyUse | EndedJob) and state.expires_at <= now + FORGET_MARGIN


def _shown(state: object) -> str:
    """Name a state without a person's own words."""
    if isinstance(state, generation.OpenJob):
        job = state.job
        return (
            f"a job that is {job.status}, attempt {job.attempt}, operation {job.operation_id}, "
            f"polled {job.provider_state} {job.progress_percent} {job.queue_position} at "
            f"{job.poll_written_at}, "
            f"retry {job.retry_at}, cancelled by {job.cancel_requested_by}, after event "
            f"{state.last_event_id}"
        )
    return str(state)
