from uuid import uuid4

import pytest

from runtime.settings import Settings
from runtime.topics import ensure_topics


@pytest.fixture
async def settings():
    s = Settings(
        kafka_bootstrap_servers="127.0.0.1:19092",
        namespace=f"t{uuid4().hex[:8]}.",
        partition_count=1,
    )
    await ensure_topics(s)
    return s
