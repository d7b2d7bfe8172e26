"""What every folder shares: one running system for the session, one namespace per test."""

import signal
from uuid import uuid4

# Its plugin would import it at a session's end, so deep within pytest that CPython 3.11.7 fails to
# compile it there (SystemError) where no test had imported it before.
import hypothesis  # noqa: F401  see above
import pytest

from runtime.settings import Settings
from runtime.topics import ensure_topics
from tests.running import running_system
from tests.s3 import Bucket, s3_server, use_s3

# A shell that runs us in its background has us and all that we start ignore SIGINT, by which some
# tests end a command as Ctrl-C does.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def system(tmp_path_factory):
    """Give the session's own system: a real broker, a real Postgres and every process of ours."""
    state_dir = tmp_path_factory.mktemp("tape")
    extra = {"TAPEWORKS_POLL_INTERVAL_SECONDS": "0.5"}
    with running_system(state_dir, "--generation-seconds", "1.5", extra=extra) as running:
        yield running


@pytest.fixture
async def settings(system) -> Settings:
    """Give the settings of an empty system of one partition on the session's broker."""
    fresh = Settings(
        kafka_bootstrap_servers=system.variables["KAFKA_BOOTSTRAP_SERVERS"],
        namespace=f"t{uuid4().hex[:8]}.",
        partition_count=1,
    )
    await ensure_topics(fresh)
    return fresh


@pytest.fixture(scope="session")
def s3_url():
    """Give the address of the session's S3."""
    with s3_server() as url:
        yield url


@pytest.fixture
async def bucket(s3_url, monkeypatch):
    """Give an empty bucket, which the AWS variables of this process lead to."""
    use_s3(monkeypatch, s3_url)
    made = await Bucket.made()
    yield made
    await made.store.close()
