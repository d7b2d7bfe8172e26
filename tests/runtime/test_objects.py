"""The media store on a real folder: S0-61 to S0-63, S0-82, C16, C24."""

import asyncio
import errno
import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.objects import (
    VIDEO_CONTENT_TYPE,
    FileMediaStore,
    StorageError,
    checked_key,
    object_key,
    open_media_store,
)
from runtime.settings import Settings

KEY = "ada/videos/operation-1.mp4"
CONTENT = bytes(range(256)) * 10_000
DIGEST = sha256(CONTENT).hexdigest()
# Dies at a step of its own choice, as if by `kill -9`.
KILLED_PUT = """
import asyncio, os, sys
from pathlib import Path
from runtime.objects import FileMediaStore

folder, source, digest, calls = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def counted(step):
    def deadly(*arguments, **named):
        global calls
        calls -= 1
        if calls == 0:
            os._exit(9)
        return step(*arguments, **named)
    return deadly

os.open, os.fsync = counted(os.open), counted(os.fsync)
Path.hardlink_to = counted(Path.hardlink_to)
put = FileMediaStore(folder).put("ada/videos/operation-1.mp4", source, digest, "video/mp4")
asyncio.run(put)
"""


@pytest.fixture
def store(tmp_path):
    return FileMediaStore(tmp_path / "media")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "download"
    path.write_bytes(CONTENT)
    return path


async def put(store: FileMediaStore, source: Path, key: str = KEY) -> None:
    digest = sha256(source.read_bytes()).hexdigest()  # noqa: ASYNC240  a small file of the test
    await store.put(key, source, digest, VIDEO_CONTENT_TYPE)


async def read(store: FileMediaStore, first: int = 0, after: int | None = None) -> bytes:
    async with store.open(KEY, first, after) as chunks:
        return b"".join([chunk async for chunk in chunks])


def files(store: FileMediaStore) -> list[str]:
    folder = store.path(KEY).parent
    return sorted(path.name for path in folder.iterdir())


async def test_what_is_put_can_be_read_and_nothing_else_lies_about(store, source):
    assert not await store.exists(KEY)
    assert await store.size_bytes(KEY) is None
    await put(store, source)
    assert await store.exists(KEY)
    assert await store.size_bytes(KEY) == len(CONTENT)
    assert await read(store) == CONTENT
    assert files(store) == ["operation-1.mp4"]
    assert store.path(KEY).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("first", "after"),
    [
        (0, 1),
        (1, 1),
        (5, 1_048_576 + 6),
        (len(CONTENT) - 1, None),
        (len(CONTENT), None),
        (9, 10**12),
    ],
)
async def test_a_range_is_read_from_first_up_to_but_without_after(store, source, first, after):
    await put(store, source)
    assert await read(store, first, after) == CONTENT[first:after]


async def test_a_file_that_is_not_there_is_missing(store):
    with pytest.raises(StorageError) as raised:
        await read(store)
    assert raised.value.kind == "missing"


async def test_a_redelivered_put_of_the_same_bytes_is_a_success(store, source):
    """S0-63."""
    await put(store, source)
    before = store.path(KEY).stat()
    await put(store, source)
    after = store.path(KEY).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert files(store) == ["operation-1.mp4"]


async def test_other_bytes_never_replace_a_stored_file(store, source):
    """S0-62."""
    await put(store, source)
    source.write_bytes(b"other")
    with pytest.raises(StorageError) as raised:
        await put(store, source)
    assert raised.value.kind == "conflict"
    assert await read(store) == CONTENT


async def test_of_puts_at_the_same_time_one_content_wins_whole(store, tmp_path):
    sources = [tmp_path / f"source-{number}" for number in range(8)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number % 2]) * 300_000)
    outcomes = await asyncio.gather(*(put(store, path) for path in sources), return_exceptions=True)
    assert await read(store) in (bytes(300_000), b"\x01" * 300_000)
    assert outcomes.count(None) == 4
    assert [o.kind for o in outcomes if isinstance(o, StorageError)] == ["conflict"] * 4
    assert files(store) == ["operation-1.mp4"]


async def test_a_file_that_changed_after_its_check_is_not_stored(store, source):
    with pytest.raises(StorageError) as raised:
        await store.put(KEY, source, "0" * 64, VIDEO_CONTENT_TYPE)
    assert raised.value.kind == "other"
    assert files(store) == []


async def test_the_store_takes_videos_alone(store, source):
    with pytest.raises(ValueError, match="video/mp4"):
        await store.put(KEY, source, "0" * 64, "text/html")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, "quota"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "permission"),
        (errno.EPERM, "permission"),
        (errno.EROFS, "permission"),
        (errno.EIO, "other"),
    ],
)
async def test_a_disk_that_refuses_says_of_which_kind_and_leaves_nothing(
    store, source, monkeypatch, code, kind
):
    """S0-82: the kind decides whether an operator is needed; no path of the machine shows."""

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code), str(store.path(KEY)))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError) as raised:
        await put(store, source)
    assert raised.value.kind == kind
    assert str(store.path(KEY).parent) not in str(raised.value)
    assert files(store) == []


async def test_a_put_survives_its_own_worker_being_killed_at_any_moment(store, source):
    """S0-63: whatever a killed put left behind, the next one finishes."""
    folder = str(store.path("x").parent)
    for step in (1, 2, 3, 4, 5):
        arguments = (sys.executable, "-c", KILLED_PUT, folder, str(source), DIGEST, str(step))
        killed = await asyncio.create_subprocess_exec(*arguments)
        assert await killed.wait() == 9
        assert await store.size_bytes(KEY) in (None, len(CONTENT))
    await put(store, source)
    assert await read(store) == CONTENT


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../secret",
        "ada/../bob/videos/x.mp4",
        "ada/./x.mp4",
        "ada//x.mp4",
        "ada/",
        "ada/.0123.part",
        "ada\\x",
        "ada/x\0.mp4",
        "ada/x.mp4\n",
        "ada/é.mp4",
        "ada/" + "x" * 256,
        "a/" * 500 + "x",
    ],
)
async def test_no_key_leads_out_of_the_store(store, source, key):
    """C24."""
    with pytest.raises(ValueError, match="not a key"):
        await put(store, source, key)
    with pytest.raises(ValueError, match="not a key"):
        await store.exists(key)
    with pytest.raises(ValueError, match="not a key"):
        store.open(key)


def test_a_key_of_exactly_the_limit_is_one():
    checked_key("a/" * 499 + "xy")
    checked_key("x" * 255)


def test_a_file_is_named_after_its_account_and_operation():
    """S0-61: the id's slashes are gone, its end can be read."""
    key = object_key("ada", "models/veo-3.1-generate-preview/operations/abc123")
    assert (
        key == "ada/videos/models-veo-3-1-generate-preview-operations-abc123-c1366c832fe94c10.mp4"
    )


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_no_two_operations_share_a_file(one, other):
    keys = {object_key("ada", name) for name in (one, other)}
    assert len(keys) == len({one, other})
    assert all(key.startswith("ada/videos/") and key.count("/") == 2 for key in keys)


@pytest.mark.parametrize("text", ["file://{}", "file://localhost{}"])
async def test_the_store_is_opened_by_its_url(tmp_path, source, text):
    folder = tmp_path / "a folder #1 %41"
    url = text.format(str(folder).replace("%", "%25"))
    store = open_media_store(Settings(object_store_url=url))
    await store.put(KEY, source, DIGEST, VIDEO_CONTENT_TYPE)
    assert (folder / KEY).read_bytes() == CONTENT
    await store.close()


@pytest.mark.parametrize(
    "url", ["", "media", "s3://bucket", "file://", "file://host/media", "file:///dev/null/media"]
)
def test_a_store_that_cannot_be_opened_is_refused_at_start_by_name(url):
    with pytest.raises(ValueError, match="OBJECT_STORE_URL"):
        open_media_store(Settings(object_store_url=url))
