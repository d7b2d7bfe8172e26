"""What the read model does while Postgres stands still; its SQL runs in tests/postgres."""

import asyncio
from typing import Any, cast

import pytest

from ingress import calls, read_model
from ingress.read_model import PostgresReadModel
from runtime.database import DatabaseUnavailable
from runtime.settings import Settings


class StuckPool:
    """Gives connections whose queries end neither by themselves nor when cancelled."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def acquire(self, timeout: float) -> "StuckPool":  # noqa: ASYNC109  asyncpg's own signature
        assert timeout > 0
        return self

    async def release(self, _: object, timeout: float) -> None:  # noqa: ASYNC109  asyncpg's own signature
        assert timeout > 0
        self.released.set()

    async def fetch(self, *_: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            raise


async def test_a_database_that_stands_still_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(read_model, "CALL_SECONDS_MAX", 0.02)
    pool = StuckPool()
    model = PostgresReadModel(Settings())
    monkeypatch.setattr(model, "_pool", cast("Any", pool))
    began_at = asyncio.get_running_loop().time()
    with pytest.raises(DatabaseUnavailable):
        await model.account("ann")
    assert asyncio.get_running_loop().time() - began_at < 0.09
    assert not await model.reachable()
    async with asyncio.timeout(5):
        await pool.released.wait()


async def test_reads_of_one_call_share_its_time_however_many_they_are(monkeypatch):
    """torture.md row 13: a slow database was refused after the sum of its reads, 2.7 s."""
    monkeypatch.setattr(calls, "WAITS_SECONDS_MAX", 0.1)
    model = PostgresReadModel(Settings())
    monkeypatch.setattr(model, "_pool", cast("Any", StuckPool()))
    calls.begin_call({"path": "/v1/credits"})
    began_at = asyncio.get_running_loop().time()
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await model.account("ann")
    assert asyncio.get_running_loop().time() - began_at < 0.2
