"""Accounts with keys and credits, many at once, for benchmarks that come in over HTTP."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from bench.load import AT, put
from ingress.auth import key_hash, new_key
from ingress.read_model import PostgresReadModel
from runtime.settings import Settings
from schemas.codec import encode
from schemas.envelope import Cause, Envelope
from schemas.requests import CreditGrantRequested

# Enough for every job that any benchmark makes.
GRANTED_CREDITS = 10**9
# Below the size of the pool, which a waiting call would hold for too long.
AT_ONCE = 8


async def accounts_with_keys(settings: Settings, count: int) -> list[str]:
    """Make so many accounts and give their keys; the ledger grants them their credits."""
    names = [f"load-{uuid4().hex[:12]}" for _ in range(count)]
    await put(settings, [encode(_grant(name)) for name in names])
    keys = [new_key() for _ in names]
    read_model = PostgresReadModel(settings)
    await read_model.start()
    try:
        for start in range(0, count, AT_ONCE):
            pairs = zip(names[start : start + AT_ONCE], keys[start : start + AT_ONCE], strict=True)
            await asyncio.gather(
                *(read_model.add_key(key_hash(key.encode()), name, "client") for name, key in pairs)
            )
    finally:
        await read_model.close()
    return keys


def authorized(keys: Sequence[str]) -> list[dict[str, str]]:
    """Give each key as the header that carries it."""
    return [{"Authorization": f"Bearer {key}"} for key in keys]


def _grant(account_id: str) -> Envelope:
    event = CreditGrantRequested(
        account_id=account_id,
        occurred_at=AT,
        amount_credits=GRANTED_CREDITS,
        reason="benchmark",
        requested_by="admin",
        idempotency_key=f"grant:{uuid4()}",
    )
    cause = Cause(str(uuid4()), str(uuid4()))
    return cause.envelop(event, 0, "/bench")
