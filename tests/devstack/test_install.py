import hashlib

import pytest

from devstack import install
from devstack.install import FetchError, Jar, ensure_jars, locked_jars

NOWHERE = Jar("org.example", "none", "1", hashlib.sha256(b"a jar").hexdigest())


def place(repository, content: bytes):
    path = repository / "org/example/none/1/none-1.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def fetched(monkeypatch):
    """Stands for the network: what a fetch brings, one entry per attempt, and pauses cut short."""
    answers: list[bytes | Exception] = []

    def download(_resolver, artifact):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        artifact.cached_path.parent.mkdir(parents=True, exist_ok=True)
        artifact.cached_path.write_bytes(answer)

    monkeypatch.setattr("jgo.maven.PythonResolver.download", download)
    monkeypatch.setattr(install, "BACKOFF_SECONDS", 0.0)
    return answers


def test_the_lock_names_the_broker_and_the_reader_of_its_log():
    names = {f"{jar.artifact}-{jar.version}" for jar in locked_jars()}
    assert {"kafka_2.13-4.2.1", "log4j-slf4j-impl-2.25.4"} <= names


def test_a_jar_that_is_there_is_not_fetched(tmp_path, fetched):
    path = place(tmp_path, b"a jar")
    assert ensure_jars([NOWHERE], tmp_path) == (path,)
    assert fetched == []


def test_a_damaged_jar_is_fetched_again(tmp_path, fetched):
    path = place(tmp_path, b"half a j")
    fetched.append(b"a jar")
    assert ensure_jars([NOWHERE], tmp_path) == (path,)
    assert path.read_bytes() == b"a jar"


def test_a_passing_failure_is_tried_again(tmp_path, fetched):
    fetched += [OSError("reset"), b"cut sh", b"a jar"]
    (path,) = ensure_jars([NOWHERE], tmp_path)
    assert path.read_bytes() == b"a jar"


def test_a_lasting_failure_names_the_jar_and_the_reason(tmp_path, fetched):
    fetched += [OSError("no route")] * install.ATTEMPTS
    with pytest.raises(FetchError, match=r"Could not fetch org.example:none:1 .*no route"):
        ensure_jars([NOWHERE], tmp_path)


def test_another_content_than_the_locked_one_is_never_used(tmp_path, fetched):
    fetched += [b"something else"] * install.ATTEMPTS
    with pytest.raises(FetchError, match="does not have the hash"):
        ensure_jars([NOWHERE], tmp_path)


def test_no_fetch_begins_after_the_deadline(tmp_path, fetched):
    fetched.append(b"a jar")
    with pytest.raises(FetchError, match="no time left"):
        ensure_jars([NOWHERE], tmp_path, within_seconds=-1)
    assert len(fetched) == 1
