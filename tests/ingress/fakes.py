"""The world of an ingress without a broker and a database: small, typed, and away on demand."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from ingress.decisions import Waiting, WaitingRoom
from ingress.history import HistoryAsked
from ingress.ports import BrokerUnavailable
from ingress.rows import (
    AccountRow,
    GenerationRow,
    JobCostRow,
    KeyRow,
    Page,
    Role,
    TransactionRow,
)
from processors.ledger import LedgerProgram
from runtime.database import DatabaseUnavailable
from runtime.event_log.states import Overlay, States
from runtime.settings import Settings
from schemas.envelope import Envelope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeLedger:
    """The real ledger over a dictionary; `silent` for one that is not running."""

    def __init__(self) -> None:
        self.silent = False
        self._program = LedgerProgram(Settings())
        self._states = States()

    def answer(self, asked: Envelope) -> Envelope | None:
        if self.silent:
            return None
        overlay = Overlay(self._states)
        answers = self._program.decide_event(asked, overlay)
        overlay.keep()
        overlay.commit()
        return answers[0] if answers else None


class FakeDecisions:
    """Decisions that come as soon as the request is published."""

    def __init__(self) -> None:
        self.caught_up = True
        self.room = WaitingRoom(Settings().undecided_requests_max)
        self.waiting: dict[str, Waiting] = {}
        self.ledger_ends: dict[int, int] = {}
        self.requests_ends: dict[int, int] = {}
        self.broker_away = False

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    @contextmanager
    def expect(self, event_id: str) -> Iterator[Waiting]:
        with self.room.expect(event_id) as waiting:
            self.waiting[event_id] = waiting
            yield waiting

    def ledger_end(self, partition: int) -> int:
        return self.ledger_ends.get(partition, 0)

    async def requests_end(self, partition: int) -> int:
        if self.broker_away:
            raise BrokerUnavailable("away")
        return self.requests_ends.get(partition, 0)


class FakePublisher:
    """Keeps what was published, and lets the ledger answer at once."""

    def __init__(self, ledger: FakeLedger, decisions: FakeDecisions) -> None:
        self.published: list[Envelope] = []
        self.error: BrokerUnavailable | None = None
        # Written although the acknowledgement was lost.
        self.written_anyway = False
        self._ledger = ledger
        self._decisions = decisions

    @property
    def connected(self) -> bool:
        return self.error is None

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, envelope: Envelope) -> None:
        if self.error is None or self.written_anyway:
            self.published.append(envelope)
            answer = self._ledger.answer(envelope)
            if answer is not None:
                self._decisions.waiting[envelope.event_id].decide(answer)
        if self.error is not None:
            raise self.error


class FakeReadModel:
    """Rows in lists; `away` for a Postgres that is."""

    def __init__(self) -> None:
        self.away = False
        self.rows: list[tuple[str, GenerationRow]] = []
        self.histories_asked: list[HistoryAsked] = []
        self.costs: list[JobCostRow] = []
        self.accounts: dict[str, AccountRow] = {}
        self.movements: list[tuple[str, TransactionRow]] = []
        self.known_keys: dict[bytes, KeyRow] = {}
        self.applied: dict[str, int] = {}
        self.key_lookups = 0
        self.partitions_asked: list[int] = []
        self.asked = asyncio.Event()

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def reachable(self) -> bool:
        return not self.away

    def _here(self) -> None:
        if self.away:
            raise DatabaseUnavailable("away")

    async def generation(self, account_id: str, job_id: str) -> GenerationRow | None:
        self._here()
        owned = [row for owner, row in self.rows if owner == account_id]
        return next((row for row in owned if str(row.job_id) == job_id), None)

    async def generations(self, account_id: str, asked: HistoryAsked) -> Page[GenerationRow]:
        self._here()
        self.histories_asked.append(asked)
        before, filters = asked.before, asked.filters
        owned = [
            row
            for owner, row in self.rows
            if owner == account_id
            and (not filters.statuses or row.status in filters.statuses)
            and filters.model in (None, row.model)
            and (filters.created_from is None or row.created_at >= filters.created_from)
            and (filters.created_to is None or row.created_at < filters.created_to)
        ]
        owned.sort(key=lambda row: (row.created_at, row.job_id), reverse=True)
        after = [r for r in owned if before is None or (r.created_at, r.job_id) < before]
        return Page(tuple(after[asked.offset :][: asked.limit]), len(owned))

    async def active_generations(
        self, account_id: str, job_ids: Sequence[str]
    ) -> list[GenerationRow]:
        page = await self.generations(account_id, HistoryAsked())
        return [row for row in page.rows if str(row.job_id) in job_ids]

    async def job_cost(self, job_id: str) -> JobCostRow | None:
        self._here()
        return next((row for row in self.costs if str(row.job_id) == job_id), None)

    async def offsets(self, partition: int) -> dict[str, int]:
        self._here()
        self.partitions_asked.append(partition)
        self.asked.set()
        await asyncio.sleep(0)
        return self.applied

    async def account(self, account_id: str) -> AccountRow:
        self._here()
        return self.accounts.get(account_id, AccountRow())

    async def transactions(
        self, account_id: str, limit: int, before: int | None
    ) -> Page[TransactionRow]:
        self._here()
        owned = [row for owner, row in self.movements if owner == account_id]
        owned.sort(key=lambda row: row.sequence, reverse=True)
        after = [row for row in owned if before is None or row.sequence < before]
        return Page(tuple(after[:limit]), len(owned))

    async def key(self, key_sha256: bytes) -> KeyRow | None:
        self.key_lookups += 1
        self._here()
        row = self.known_keys.get(key_sha256)
        return row if row is not None and row.revoked_at is None else None

    async def add_key(self, key_sha256: bytes, account_id: str, role: Role) -> KeyRow:
        self._here()
        row = KeyRow(uuid4(), account_id, role, NOON, None)
        self.known_keys[key_sha256] = row
        return row

    async def keys(self, limit: int, before: tuple[datetime, UUID] | None) -> Page[KeyRow]:
        self._here()
        rows = sorted(
            self.known_keys.values(), key=lambda row: (row.created_at, row.key_id), reverse=True
        )
        after = [row for row in rows if before is None or (row.created_at, row.key_id) < before]
        return Page(tuple(after[:limit]), len(rows))

    async def revoke_key(self, key_id: str) -> bytes | None:
        self._here()
        for digest, row in self.known_keys.items():
            if str(row.key_id) == key_id:
                self.known_keys[digest] = replace(row, revoked_at=NOON)
                return digest
        return None


def generation_row(number: int = 0, **changes: Any) -> GenerationRow:
    """Give the row of a job that is under way, created `number` minutes after noon."""
    created_at = NOON + timedelta(minutes=number)
    row = GenerationRow(
        job_id=UUID(int=number + 1),
        status="processing",
        model="veo-3.1",
        duration_seconds=8,
        resolution="720p",
        aspect_ratio="16:9",
        prompt=f"prompt {number}",
        negative_prompt=None,
        image_url=None,
        price_credits=80,
        operation_id="models/veo/operations/1",
        provider_state="running",
        progress_percent=45,
        queue_position=None,
        provider_video_id=None,
        object_key=None,
        content_type=None,
        size_bytes=None,
        sha256=None,
        duration_ms=None,
        width_pixels=None,
        height_pixels=None,
        frames_per_second=None,
        decline_code=None,
        decline_details=None,
        failure=None,
        refunded_credits=None,
        created_at=created_at,
        updated_at=created_at,
        completed_at=None,
    )
    return replace(row, **changes)
