"""What the ledger remembers: small records, one per account, open or lately ended job, and key."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.base import Event
from schemas.ledger import FirstAnswer, FirstChange

# 72 h: torture.md row 32; a client that retries later than that asks for a new job.
IDEMPOTENCY_LIFE = timedelta(hours=72)
# 30 days: decision 0020; what is complained of later is put right by a correction.
HAND_REFUND_WINDOW = timedelta(days=30)
# 3 (S0-31); an account's own limit may differ later.
ACTIVE_JOBS_MAX = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What is in force when a decision is made."""

    generation_enabled: bool = True
    active_jobs_max: int = ACTIVE_JOBS_MAX


@dataclass(frozen=True, slots=True)
class Account:
    """An account's credits; granted = available + reserved + settled, always."""

    available_credits: int = 0
    reserved_credits: int = 0
    settled_credits: int = 0
    granted_credits: int = 0
    sequence: int = 0
    active_job_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reservation:
    """An open job: its price has left the balance and is neither kept nor given back yet."""

    price_credits: int
    transaction_type: str
    reserved_at: datetime
    cancellation_requested: bool = False


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What an idempotency key was used for: it bought a job, or changed credits by hand."""

    body_sha256: str
    expires_at: datetime
    first_answer: FirstAnswer | None = None
    first_change: FirstChange | None = None


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job whose price was kept or given back, for as long as it may be refunded by hand."""

    price_credits: int
    refunded: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LedgerSlice:
    """The part of the ledger that one command or event concerns."""

    account: Account = Account()
    reservation: Reservation | None = None
    key_use: KeyUse | None = None
    ended: EndedJob | None = None


@dataclass(frozen=True, slots=True)
class SliceKeys:
    """Which records make up a slice; a part that does not apply is None."""

    account_id: str
    job_id: str | None
    idempotency_key: str | None


def slice_keys(subject: object) -> SliceKeys:
    """Name the records that a ledger command or a ledger event concerns."""
    account_id = getattr(subject, "account_id", None)
    assert isinstance(account_id, str), f"{type(subject).__name__} concerns no account"
    return SliceKeys(
        account_id=account_id,
        job_id=getattr(subject, "job_id", None),
        idempotency_key=getattr(subject, "idempotency_key", None),
    )


def is_live(record: KeyUse | EndedJob | None, at: datetime) -> bool:
    """Say whether a key still stands for its first use, or an ended job for a hand refund."""
    return record is not None and at < record.expires_at


def is_expired(record: KeyUse | EndedJob, at: datetime) -> bool:
    """Say whether a record may be dropped."""
    return not is_live(record, at)


def expiry(event: Event) -> datetime:
    """Say until when a key that `event` used stands for it."""
    return event.occurred_at + IDEMPOTENCY_LIFE
