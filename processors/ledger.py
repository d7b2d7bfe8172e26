"""The ledger processor: requests and job ends in, credit events out. No rules here."""

from collections.abc import Mapping, Sequence
from functools import reduce

from domain.ledger import decide, evolve
from domain.ledger_commands import (
    AdjustCredits,
    CloseCancelledJob,
    CloseFailedJob,
    GrantCredits,
    LedgerCommand,
    RefundByHand,
    RequestCancellation,
    ReserveCredits,
    SettleJob,
)
from domain.ledger_state import (
    Account,
    EndedJob,
    KeyUse,
    LedgerSlice,
    Policy,
    Reservation,
    is_expired,
    slice_keys,
)
from processors.expiry import ENDED, KEY, Expiry, Forget
from runtime.clock import Clock, utc_now
from runtime.event_log.program import LaneCompanion, LaneHandle
from runtime.event_log.states import Overlay, PrefixCodec
from runtime.settings import Settings
from schemas.base import Event
from schemas.envelope import Cause, Envelope
from schemas.generation import GenerationCancelled, GenerationCompleted, GenerationFailed
from schemas.requests import (
    CancellationRequested,
    CreditAdjustmentRequested,
    CreditGrantRequested,
    GenerationRequested,
    HandRefundRequested,
)
from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS, LEDGER_STATE, REQUESTS

SOURCE = "/tapeworks/ledger"
ACCOUNT, JOB = "account", "job"
STATE_TYPES: Mapping[str, type] = {
    ACCOUNT: Account,
    JOB: Reservation,
    ENDED: EndedJob,
    KEY: KeyUse,
}


def to_command(event: Event) -> LedgerCommand | None:
    """Read an input event as a command to the ledger; None where it concerns no credits."""
    match event:
        case GenerationRequested():
            return ReserveCredits(
                account_id=event.account_id,
                job_id=event.job_id,
                settings=event.settings,
                prompt=event.private,
                idempotency_key=event.idempotency_key,
                body_sha256=event.body_sha256,
                at=event.occurred_at,
            )
        case CreditGrantRequested():
            return GrantCredits(
                account_id=event.account_id,
                amount_credits=event.amount_credits,
                reason=event.reason,
                granted_by=event.requested_by,
                idempotency_key=event.idempotency_key,
                at=event.occurred_at,
            )
        case CreditAdjustmentRequested():
            return AdjustCredits(
                account_id=event.account_id,
                amount_credits=event.amount_credits,
                reason=event.reason,
                adjusted_by=event.requested_by,
                idempotency_key=event.idempotency_key,
                at=event.occurred_at,
            )
        case HandRefundRequested():
            return RefundByHand(
                account_id=event.account_id,
                job_id=event.job_id,
                reason=event.reason,
                refunded_by=event.requested_by,
                idempotency_key=event.idempotency_key,
                at=event.occurred_at,
            )
        case CancellationRequested():
            return RequestCancellation(
                account_id=event.account_id,
                job_id=event.job_id,
                requested_by=event.requested_by,
                at=event.occurred_at,
            )
        case _:
            return _job_end(event)


def _job_end(event: Event) -> LedgerCommand | None:
    match event:
        case GenerationCompleted(account_id=account_id, job_id=job_id, occurred_at=at):
            return SettleJob(account_id=account_id, job_id=job_id, at=at)
        case GenerationFailed(account_id=account_id, job_id=job_id, occurred_at=at):
            return CloseFailedJob(
                account_id=account_id, job_id=job_id, failure=event.failure, at=at
            )
        case GenerationCancelled(account_id=account_id, job_id=job_id, occurred_at=at):
            return CloseCancelledJob(
                account_id=account_id, job_id=job_id, submitted=event.submitted, at=at
            )
        case _:
            return None


class LedgerProgram:
    """The ledger as its lanes run it."""

    name = "ledger"
    inputs = (REQUESTS, GENERATION_EVENTS)
    output = LEDGER_EVENTS
    state = LEDGER_STATE
    codec = PrefixCodec(STATE_TYPES)
    # 1,024: the accounts of some seconds at full load; about a megabyte.
    used_states_max = 1024

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._policy = Policy(
            generation_enabled=settings.generation_enabled,
            active_jobs_max=settings.active_jobs_max,
        )

    def decide_event(self, envelope: Envelope, states: Overlay) -> Sequence[Envelope]:
        """Answer a request or a job's end with what becomes of the credits."""
        command = to_command(envelope.event)
        if command is None:
            return ()
        before = read_slice(states, command)
        events = decide(before, command, self._policy)
        if not events:
            return ()
        write_slice(states, command, before, reduce(evolve, events, before))
        cause = Cause.of(envelope)
        return [cause.envelop(event, index, SOURCE) for index, event in enumerate(events)]

    def decide_command(self, command: object, states: Overlay) -> Sequence[Envelope]:
        """Forget idempotency keys and ended jobs whose time is over."""
        assert isinstance(command, Forget), f"no rule for {type(command).__name__}"
        for key in command.keys:
            record = states.get(key)
            if isinstance(record, KeyUse | EndedJob) and is_expired(record, command.at):
                states.put(key, None)
        return ()

    def companion(self, lane: LaneHandle) -> LaneCompanion:
        """Watch over the lifetime of this lane's idempotency keys and ended jobs."""
        return Expiry(lane, clock=self._clock)


def reservation_key(account_id: str, job_id: str) -> str:
    """Name a reservation's state record; by account, so that nobody reaches another's job."""
    return f"{JOB}/{account_id}/{job_id}"


def ended_key(account_id: str, job_id: str) -> str:
    """Name the state record of a job that ended."""
    return f"{ENDED}/{account_id}/{job_id}"


def read_slice(states: Overlay, subject: object) -> LedgerSlice:
    """Gather the records that a command or event concerns."""
    keys = slice_keys(subject)
    account = states.get(f"{ACCOUNT}/{keys.account_id}")
    reservation = states.get(reservation_key(keys.account_id, keys.job_id)) if keys.job_id else None
    ended = states.get(ended_key(keys.account_id, keys.job_id)) if keys.job_id else None
    key_use = (
        states.get(f"{KEY}/{keys.account_id}/{keys.idempotency_key}")
        if keys.idempotency_key
        else None
    )
    assert account is None or isinstance(account, Account)
    assert reservation is None or isinstance(reservation, Reservation)
    assert key_use is None or isinstance(key_use, KeyUse)
    assert ended is None or isinstance(ended, EndedJob)
    return LedgerSlice(account or Account(), reservation, key_use, ended)


def write_slice(states: Overlay, subject: object, before: LedgerSlice, after: LedgerSlice) -> None:
    """Put back the records that changed."""
    keys = slice_keys(subject)
    states.put(f"{ACCOUNT}/{keys.account_id}", after.account)
    if keys.job_id and after.reservation != before.reservation:
        states.put(reservation_key(keys.account_id, keys.job_id), after.reservation)
    if keys.job_id and after.ended != before.ended:
        states.put(ended_key(keys.account_id, keys.job_id), after.ended)
    if keys.idempotency_key and after.key_use != before.key_use:
        states.put(f"{KEY}/{keys.account_id}/{keys.idempotency_key}", after.key_use)
