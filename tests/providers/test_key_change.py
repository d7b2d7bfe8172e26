"""A key is rotated while the worker runs (S0-44): the next call carries the new one."""

import pytest
from pydantic import SecretStr

from providers.fal import FalQueue
from providers.google import GoogleVeo
from providers.protocol import ProviderError
from providers.vertex import VertexVeo
from tests.providers.scripted_server import answer

OPERATION = "models/veo-3.1-generate-preview/operations/1"
# Adapter, model, its key's setting and variable, the header that carries it, and what precedes it.
DOORS = [
    (GoogleVeo, "veo-3.1", "google_api_key", "GOOGLE_GENAI_API_KEY", "x-goog-api-key", ""),
    (
        VertexVeo,
        "veo-3.1-vertex",
        "vertex_api_key",
        "VERTEX_AI_API_KEY",
        "authorization",
        "Bearer ",
    ),
    (FalQueue, "fal-veo-3.1", "fal_key", "FAL_KEY", "authorization", "Key "),
]


@pytest.fixture(params=DOORS, ids=lambda door: door[1])
async def door(request, server, settings, tmp_path, monkeypatch):
    """Give a call of the adapter that returns the key it carried, and the key's file."""
    adapter_of, model, setting, variable, header, prefix = request.param
    file = tmp_path / "key"
    file.write_text("first-key\n")
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    changes = {setting: SecretStr("first-key"), "vertex_auth": "bearer"}
    adapter = adapter_of(settings.model_copy(update=changes))
    server.replies(answer(500, {"error": {"message": "first-key, second-key, third-key"}}))

    async def key_sent() -> str:
        with pytest.raises(ProviderError) as raised:
            await adapter.poll(model, OPERATION)
        key = str(server.received[-1].headers[header]).removeprefix(prefix)
        assert key not in str(raised.value)
        return key

    yield key_sent, file
    await adapter.close()


def replace_file(file, content: str) -> None:
    beside = file.with_name("beside")
    beside.write_text(content)
    beside.replace(file)


async def test_the_next_call_carries_the_key_that_the_file_holds_now(door):
    key_sent, file = door
    assert await key_sent() == "first-key"
    replace_file(file, "second-key\n")
    assert await key_sent() == "second-key"
    replace_file(file, "third-key")
    assert await key_sent() == "third-key"


@pytest.mark.parametrize("content", ["", "\n", "a key with spaces", "k" * 70_000, "schlüssel"])
async def test_what_is_no_key_leaves_the_last_good_one_in_use(door, content):
    key_sent, file = door
    replace_file(file, "second-key")
    assert await key_sent() == "second-key"
    replace_file(file, content)
    assert await key_sent() == "second-key"
    replace_file(file, "third-key")
    assert await key_sent() == "third-key"


async def test_a_file_that_is_gone_leaves_the_last_good_key_in_use(door):
    key_sent, file = door
    file.unlink()
    assert await key_sent() == "first-key"
    replace_file(file, "second-key")
    assert await key_sent() == "second-key"
