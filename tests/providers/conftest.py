from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from providers.capabilities import CAPABILITIES, VEO_3_1_AT_GOOGLE
from providers.fal import FalQueue
from providers.google import GoogleVeo
from providers.protocol import Capabilities
from providers.vertex import VertexVeo
from runtime.settings import Settings
from tests.providers.scripted_server import ScriptedServer

FAL_KEY = "0b9f-planted:secretThatMustNeverShow0123456789"
KEY = "AIzaPlantedKeyThatMustNeverShow0123456789"
# Long enough for any loopback answer, short enough to wait for in a test.
DEADLINE_SECONDS = 1.0


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def settings(server: ScriptedServer) -> Settings:
    return Settings(
        google_api_key=SecretStr(KEY),
        google_base_url=server.base_url,
        vertex_api_key=SecretStr(KEY),
        vertex_base_url=server.base_url,
        vertex_storage_url=server.base_url,
        fal_key=SecretStr(FAL_KEY),
        fal_queue_base_url=server.base_url,
    )


def hurried(record: Capabilities) -> Capabilities:
    return replace(
        record, submit_timeout_seconds=DEADLINE_SECONDS, poll_timeout_seconds=DEADLINE_SECONDS
    )


HURRIED = {model: hurried(record) for model, record in CAPABILITIES.items()}


@pytest.fixture
async def veo(settings: Settings) -> AsyncIterator[GoogleVeo]:
    record = hurried(VEO_3_1_AT_GOOGLE)
    adapter = GoogleVeo(settings, {record.model: record})
    yield adapter
    await adapter.close()


@pytest.fixture
async def vertex(settings: Settings) -> AsyncIterator[VertexVeo]:
    adapter = VertexVeo(settings, HURRIED)
    yield adapter
    await adapter.close()


@pytest.fixture
async def fal(settings: Settings) -> AsyncIterator[FalQueue]:
    adapter = FalQueue(settings, HURRIED)
    yield adapter
    await adapter.close()
