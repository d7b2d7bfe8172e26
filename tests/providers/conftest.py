from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from providers.capabilities import VEO_3_1_AT_GOOGLE
from providers.google import GoogleVeo
from runtime.settings import Settings
from tests.providers.scripted_server import ScriptedServer

KEY = "AIzaPlantedKeyThatMustNeverShow0123456789"
# Long enough for any loopback answer, short enough to wait for in a test.
DEADLINE_SECONDS = 0.25


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    await scripted.start()
    yield scripted
    await scripted.stop()


@pytest.fixture
def settings(server: ScriptedServer) -> Settings:
    return Settings(google_api_key=SecretStr(KEY), google_base_url=server.base_url)


@pytest.fixture
async def veo(settings: Settings) -> AsyncIterator[GoogleVeo]:
    record = replace(
        VEO_3_1_AT_GOOGLE,
        submit_timeout_seconds=DEADLINE_SECONDS,
        poll_timeout_seconds=DEADLINE_SECONDS,
    )
    adapter = GoogleVeo(settings, {record.model: record})
    yield adapter
    await adapter.close()
