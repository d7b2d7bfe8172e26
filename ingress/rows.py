"""What the read models hand out: one frozen row type per question. No SQL, no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

Role = Literal["client", "admin"]
Row = TypeVar("Row")
# 10,000: counting so many index entries takes some milliseconds (bench/queries.py).
TOTAL_MAX = 10_000


@dataclass(frozen=True, slots=True)
class GenerationRow:
    """One job as its owner may see it; the columns of `generations` that an answer uses."""

    job_id: UUID
    status: str
    model: str | None
    duration_seconds: int | None
    resolution: str | None
    aspect_ratio: str | None
    prompt: str | None
    negative_prompt: str | None
    image_url: str | None
    price_credits: int | None
    operation_id: str | None
    provider_state: str | None
    progress_percent: int | None
    queue_position: int | None
    provider_video_id: str | None
    object_key: str | None
    content_type: str | None
    size_bytes: int | None
    sha256: str | None
    duration_ms: int | None
    width_pixels: int | None
    height_pixels: int | None
    frames_per_second: float | None
    decline_code: str | None
    decline_details: Mapping[str, Any] | None
    failure: Mapping[str, Any] | None
    refunded_credits: int | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobCostRow:
    """What one job cost, as an administrator may see it; nothing of its content."""

    job_id: UUID
    account_id: str
    status: str
    model: str | None
    provider: str | None
    operation_id: str | None
    price_credits: int | None
    refunded_credits: int | None
    cost_micro_dollars: int | None
    created_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account's credits."""

    available_credits: int = 0
    reserved_credits: int = 0
    settled_credits: int = 0
    granted_credits: int = 0


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """One movement of an account's balance."""

    sequence: int
    event_id: UUID
    job_id: UUID | None
    transaction_type: str
    amount_credits: int
    balance_after: int
    description: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key without its secret."""

    key_id: UUID
    account_id: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows and how many there are in all, of one and the same moment.

    `total` is counted up to `TOTAL_MAX`, so that no page costs more for a longer list; beyond that
    it is not exact.
    """

    rows: tuple[Row, ...]
    total: int
    total_is_exact: bool = True
