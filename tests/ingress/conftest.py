from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from ingress.app import create_app
from ingress.rows import KeyRow, Role
from ingress.services import Collaborators
from runtime.clock import monotonic_seconds
from runtime.objects import FileMediaStore, MediaStore
from runtime.settings import Settings
from tests.ingress.fakes import NOON, FakeDecisions, FakeLedger, FakePublisher, FakeReadModel

ADMIN_KEY = "an-administrator-of-this-test"


def api_key(account_id: str) -> str:
    return f"tw_{sha256(account_id.encode()).hexdigest()[:43]}"


@dataclass
class World:
    """An ingress with its fakes, and a client for each account."""

    media_folder: Path
    admin_key: str = ADMIN_KEY
    media_store: MediaStore | None = None
    ledger: FakeLedger = field(default_factory=FakeLedger)
    decisions: FakeDecisions = field(default_factory=FakeDecisions)
    read_model: FakeReadModel = field(default_factory=FakeReadModel)
    now = NOON
    seconds_ahead = 0.0

    def __post_init__(self) -> None:
        self.publisher = FakePublisher(self.ledger, self.decisions)
        self.media = self.media_store or FileMediaStore(self.media_folder)
        settings = Settings(
            TAPE_ADMIN_KEY=self.admin_key,
            TAPEWORKS_MEDIA_SIGNING_KEY="a signing key",
            TAPEWORKS_DECISION_WAIT_SECONDS=0.2,
            TAPEWORKS_PUBLIC_URL="http://tape.test",
        )
        collaborators = Collaborators(self.publisher, self.decisions, self.read_model, self.media)
        self.app = create_app(
            settings,
            collaborators,
            clock=lambda: self.now,
            monotonic=lambda: monotonic_seconds() + self.seconds_ahead,
        )

    def client(self, key: str | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://tape.test",
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
        )

    def add_account(self, account_id: str, role: Role = "client") -> str:
        key = api_key(account_id)
        row = KeyRow(uuid4(), account_id, role, NOON, None)
        self.read_model.known_keys[sha256(key.encode()).digest()] = row
        return key

    async def grant(self, account_id: str, amount_credits: int) -> None:
        async with self.client(ADMIN_KEY) as admin:
            body = {"account_id": account_id, "amount_credits": amount_credits, "reason": "test"}
            answer = await admin.post("/v1/admin/credits/grants", json=body)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "media")


@pytest.fixture
async def ann(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(world.add_account("ann")) as client:
        yield client


@pytest.fixture
async def bob(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(world.add_account("bob")) as client:
        yield client


@pytest.fixture
async def admin(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(ADMIN_KEY) as client:
        yield client


@pytest.fixture
async def nobody(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(None) as client:
        yield client
