"""What the ledger can be asked to decide."""

from dataclasses import dataclass
from datetime import datetime

from schemas.failure import Failure
from schemas.requests import PrivatePrompt, VideoSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveCredits:
    account_id: str
    job_id: str
    settings: VideoSettings
    prompt: PrivatePrompt
    idempotency_key: str
    body_sha256: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCredits:
    account_id: str
    amount_credits: int
    reason: str
    granted_by: str
    idempotency_key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustCredits:
    account_id: str
    amount_credits: int
    reason: str
    adjusted_by: str
    idempotency_key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundByHand:
    account_id: str
    job_id: str
    reason: str
    refunded_by: str
    idempotency_key: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancellation:
    account_id: str
    job_id: str
    requested_by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleJob:
    """The job was delivered."""

    account_id: str
    job_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseFailedJob:
    account_id: str
    job_id: str
    failure: Failure
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCancelledJob:
    account_id: str
    job_id: str
    submitted: bool
    at: datetime


LedgerCommand = (
    ReserveCredits
    | GrantCredits
    | AdjustCredits
    | RefundByHand
    | RequestCancellation
    | SettleJob
    | CloseFailedJob
    | CloseCancelledJob
)
