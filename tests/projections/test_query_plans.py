"""Every read of the API on a table that is not small: which index it uses, how often it asks."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from bench.query_cases import BEGIN, HEAVY, MODELS, Size, cases, plan_of, seed
from ingress.app import create_app
from ingress.auth import key_hash
from ingress.history import HistoryAsked, HistoryFilters
from ingress.read_model import PostgresReadModel
from ingress.rows import TOTAL_MAX
from ingress.services import Collaborators
from projections.migrate import migrate
from runtime.database import Pool, open_pool
from runtime.objects import FileMediaStore
from runtime.settings import Settings
from tests.ingress.conftest import api_key
from tests.ingress.fakes import FakeDecisions, FakeLedger, FakePublisher
from tests.projections.conftest import settings_for
from tests.projections.postgres_server import PostgresServer

SIZE = Size(jobs=30_000, heavy_jobs=12_000, accounts=1_000)


@pytest.fixture(scope="module")
def seeded(postgres: PostgresServer) -> str:
    """Give the address of a database with many jobs, many of them one account's."""
    asyncio.run(_seed(postgres))
    return postgres.dsn("query_plans")


async def _seed(postgres: PostgresServer) -> None:
    admin = await open_pool(settings_for(postgres.dsn()))
    await admin.execute("CREATE DATABASE query_plans")
    await admin.close()
    pool = await open_pool(settings_for(postgres.dsn("query_plans")))
    await migrate(pool)
    async with pool.acquire() as connection:
        await seed(connection, SIZE)
    await pool.close()


@pytest.fixture
async def seeded_pool(seeded: str) -> AsyncIterator[Pool]:
    opened = await open_pool(settings_for(seeded))
    yield opened
    await opened.close()


async def test_s0_97_no_read_of_the_api_scans_a_whole_table(seeded_pool: Pool):
    async with seeded_pool.acquire() as connection:
        for case in await cases(connection):
            plan = await plan_of(connection, case)
            scanned = set(re.findall(r"Seq Scan on (\w+)", plan))
            assert not scanned & {"generations", "credit_transactions"}, (case.name, plan)


async def test_the_plans_seen_here_are_those_that_the_api_uses(model: "CountingReadModel"):
    """A prepared statement would settle on one plan for all accounts after five executions."""
    (row,) = await model._fetch("SHOW plan_cache_mode")
    assert row["plan_cache_mode"] == "force_custom_plan"


async def test_s0_96_no_page_costs_more_for_a_longer_history(seeded_pool: Pool):
    """S0-76: what is sorted is a page, what is counted and left out is bounded."""
    async with seeded_pool.acquire() as connection:
        pages = [case for case in await cases(connection) if case.requirement == "S0-96"]
        assert len(pages) > 10
        for case in pages:
            plan = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {case.sql}", *case.arguments
            )
            for node in _nodes(json.loads(plan)[0]["Plan"]):
                rows = node["Actual Rows"] * node["Actual Loops"]
                assert rows <= TOTAL_MAX + 101, (case.name, node["Node Type"])
                assert rows <= 8 * 21 or "Sort" not in node["Node Type"], case.name
                assert node.get("Rows Removed by Filter", 0) <= 101, (case.name, node)


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]


@pytest.fixture
async def model(seeded: str) -> AsyncIterator["CountingReadModel"]:
    opened = CountingReadModel(settings_for(seeded))
    await opened.start()
    yield opened
    await opened.close()


class CountingReadModel(PostgresReadModel):
    """Counts what it asks Postgres."""

    statements = 0

    async def _fetch(self, sql: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        self.statements += 1
        return await super()._fetch(sql, *arguments)


@pytest.mark.parametrize(
    "filters",
    [
        HistoryFilters(),
        HistoryFilters(statuses=("failed",)),
        HistoryFilters(statuses=("cancelled", "processing", "requested")),
        HistoryFilters(model=MODELS[1]),
        HistoryFilters(model=MODELS[0], statuses=("rejected", "failed")),
        HistoryFilters(created_from=BEGIN + timedelta(days=3)),
        HistoryFilters(
            created_from=BEGIN + timedelta(days=1),
            created_to=BEGIN + timedelta(days=2),
            statuses=("completed", "failed"),
        ),
    ],
)
async def test_c09_pages_together_are_the_whole_list_in_order(
    seeded_pool: Pool, model: CountingReadModel, filters: HistoryFilters
):
    rows = await seeded_pool.fetch(
        "SELECT job_id, status, model, created_at FROM generations "
        "WHERE account_id = $1 AND replay_of IS NULL",
        HEAVY,
    )
    expected = sorted(
        (
            (row["created_at"], row["job_id"])
            for row in rows
            if (not filters.statuses or row["status"] in filters.statuses)
            and filters.model in (None, row["model"])
            and (filters.created_from is None or row["created_at"] >= filters.created_from)
            and (filters.created_to is None or row["created_at"] < filters.created_to)
        ),
        reverse=True,
    )
    assert expected
    seen: list[tuple[datetime, UUID]] = []
    while True:
        asked = HistoryAsked(filters, 100, seen[-1] if seen else None)
        page = await model.generations(HEAVY, asked)
        assert (page.total, page.total_is_exact) == (
            min(len(expected), TOTAL_MAX),
            len(expected) <= TOTAL_MAX,
        )
        if not page.rows:
            break
        seen += [(row.created_at, row.job_id) for row in page.rows]
    assert seen == expected


async def test_s0_98_a_page_is_one_statement(tmp_path: Path, model: CountingReadModel):
    """However many rows it shows; the key of the call is one more, once a minute."""
    decisions = FakeDecisions()
    publisher = FakePublisher(FakeLedger(), decisions)
    world = Collaborators(publisher, decisions, model, FileMediaStore(tmp_path))
    settings = Settings(TAPEWORKS_MEDIA_SIGNING_KEY="a signing key")
    transport = httpx.ASGITransport(create_app(settings, world))
    key = api_key(HEAVY)
    await model.add_key(key_hash(key.encode()), HEAVY, "client")
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://tape.test", headers=headers
    ) as client:
        await client.get("/v1/models")
        for path, items in (
            ("/v1/generations", 20),
            ("/v1/generations?limit=100&status=failed,completed", 100),
            ("/v1/generations?model=veo-3.1", 20),
            ("/api/video/history?offset=40", 20),
            ("/v1/credits/transactions", 20),
        ):
            before = model.statements
            page = await client.get(path)
            assert (page.status_code, len(page.json()["items"])) == (200, items)
            assert model.statements == before + 1, path
        job_id = (await client.get("/v1/generations?limit=1")).json()["items"][0]["id"]
        for path in (
            f"/v1/generations/{job_id}",
            f"/api/video/status/{job_id}",
            f"/functions/v1/get-video-status?job_id={job_id}",
        ):
            before = model.statements
            assert (await client.get(path)).status_code == 200
            assert model.statements == before + 1, path
