"""What the media store in a folder adds to every store's promises: S0-63, S0-82."""

import asyncio
import errno
import os
import sys

import pytest

from runtime.objects import (
    VIDEO_CONTENT_TYPE,
    FileMediaStore,
    StorageError,
    open_media_store,
)
from runtime.settings import Settings
from tests.runtime.media_stores import CONTENT, DIGEST, KEY, put, read

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


def files(store: FileMediaStore) -> list[str]:
    folder = store.path(KEY).parent
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_is_linked_into_place_once_and_its_group_may_read_it(store, source):
    await put(store, source)
    before = store.path(KEY).stat()
    await put(store, source)
    after = store.path(KEY).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert after.st_mode & 0o777 == 0o640


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


@pytest.mark.parametrize("text", ["file://{}", "file://localhost{}"])
async def test_the_store_is_opened_by_its_url(tmp_path, source, text):
    folder = tmp_path / "a folder #1 %41"
    url = text.format(str(folder).replace("%", "%25"))
    store = open_media_store(Settings(object_store_url=url))
    await store.put(KEY, source, DIGEST, VIDEO_CONTENT_TYPE)
    assert (folder / KEY).read_bytes() == CONTENT
    await store.close()


@pytest.mark.parametrize(
    "url", ["", "media", "ftp://host", "file://", "file://host/media", "file:///dev/null/media"]
)
def test_a_store_that_cannot_be_opened_is_refused_at_start_by_name(url):
    with pytest.raises(ValueError, match="OBJECT_STORE_URL"):
        open_media_store(Settings(object_store_url=url))
