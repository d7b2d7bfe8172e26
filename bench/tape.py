"""The load of the projector's benchmark: whole lives of jobs, as the three topics carry them."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from bench.load import AT, PROMPT, VIDEO
from schemas.base import Event
from schemas.codec import Record, encode
from schemas.envelope import Cause
from schemas.generation import (
    DownloadStarted,
    GenerationCompleted,
    GenerationPolled,
    GenerationSubmitted,
    PrivateMedia,
    StoredMedia,
    SubmissionIntended,
)
from schemas.ledger import CreditsGranted, CreditsReserved, CreditsSettled
from schemas.requests import CreditGrantRequested, GenerationRequested, PrivatePrompt
from schemas.topics import TOPIC_BY_EVENT

PRICE = 80
JOBS_PER_ACCOUNT = 4


def job_lives(jobs: int, name: str = "account") -> Mapping[str, Sequence[Record]]:
    """Give the records of each topic, for so many delivered jobs of many accounts.

    Guarantee: the accounts' sequences and balances chain, as the ledger would have written them.
    """
    chance = random.Random(name)
    topics: dict[str, list[Record]] = defaultdict(list)
    for first in range(0, jobs, JOBS_PER_ACCOUNT):
        for event in _account(f"{name}-{first}", min(JOBS_PER_ACCOUNT, jobs - first), chance):
            cause = Cause(_uuid(chance), getattr(event, "job_id", _uuid(chance)))
            record = encode(cause.envelop(event, 0, "/bench"))
            topics[TOPIC_BY_EVENT[type(event)].name].append(record)
    return topics


def _account(account_id: str, jobs: int, chance: random.Random) -> list[Event]:
    grant = PRICE * jobs
    events: list[Event] = [
        CreditGrantRequested(
            account_id=account_id,
            occurred_at=AT,
            amount_credits=grant,
            reason="benchmark",
            requested_by="admin",
            idempotency_key=_uuid(chance),
        ),
        CreditsGranted(
            account_id=account_id,
            occurred_at=AT,
            sequence=1,
            balance_after=grant,
            amount_credits=grant,
            reason="benchmark",
            granted_by="admin",
            idempotency_key=_uuid(chance),
        ),
    ]
    for n in range(jobs):
        events += _job(account_id, _uuid(chance), 2 + 2 * n, grant - PRICE * (n + 1), chance)
    return events


def _job(
    account_id: str, job_id: str, sequence: int, balance: int, chance: random.Random
) -> list[Event]:
    def at(seconds: float) -> dict[str, object]:
        when = AT + timedelta(seconds=seconds)
        return {"account_id": account_id, "occurred_at": when, "job_id": job_id}

    body_sha256 = f"{chance.getrandbits(256):064x}"
    operation_id = f"models/veo-3.1/operations/{chance.getrandbits(60):015x}"
    order = {
        "settings": VIDEO,
        "idempotency_key": job_id,
        "body_sha256": body_sha256,
        "private": PrivatePrompt(prompt=PROMPT),
    }
    made = {"provider": "google"}
    return [
        GenerationRequested.model_validate({**at(0), **order}),
        CreditsReserved.model_validate(
            {
                **at(0.1),
                **order,
                "sequence": sequence,
                "balance_after": balance,
                "price_credits": PRICE,
                "transaction_type": "video_8s_generation",
            }
        ),
        SubmissionIntended.model_validate({**at(0.2), **made, "attempt": 1, "model": VIDEO.model}),
        GenerationSubmitted.model_validate(
            {**at(1), **made, "attempt": 1, "operation_id": operation_id}
        ),
        GenerationPolled.model_validate({**at(10), "provider_state": "queued"}),
        GenerationPolled.model_validate({**at(40), "provider_state": "running"}),
        DownloadStarted.model_validate(
            {**at(60), **made, "private": PrivateMedia(source="files/video")}
        ),
        GenerationCompleted.model_validate(
            {
                **at(63),
                **made,
                "media": StoredMedia(
                    object_key=f"{account_id}/{operation_id}.mp4",
                    content_type="video/mp4",
                    size_bytes=4_000_000,
                    sha256=body_sha256,
                    duration_ms=8000,
                    width_pixels=1280,
                    height_pixels=720,
                    frames_per_second=24.0,
                ),
                "cost_micro_dollars": 3_200_000,
            }
        ),
        CreditsSettled.model_validate(
            {
                **at(63.1),
                "sequence": sequence + 1,
                "balance_after": balance,
                "price_credits": PRICE,
                "outcome": "completed",
            }
        ),
    ]


def _uuid(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))
