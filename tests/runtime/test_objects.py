"""What every media store promises, each of them in turn: S0-61 to S0-63, C16, C24."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.objects import (
    VIDEO_CONTENT_TYPE,
    FileMediaStore,
    MediaStore,
    StorageError,
    checked_key,
    object_key,
    operation_key,
)
from tests.runtime.media_stores import CONTENT, KEY, put, read


@dataclass(frozen=True)
class Shelf:
    """A store, and a look behind it at everything that lies there."""

    store: MediaStore
    names: Callable[[], Awaitable[list[str]]]


@pytest.fixture(params=["folder", "s3"])
def shelf(request, tmp_path):
    if request.param == "s3":
        bucket = request.getfixturevalue("bucket")
        return Shelf(bucket.store, bucket.names)
    folder = tmp_path / "media"

    async def names() -> list[str]:
        paths = (path for path in folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(folder)) for path in paths)

    return Shelf(FileMediaStore(folder), names)


@pytest.fixture
def store(shelf):
    return shelf.store


async def test_what_is_put_can_be_read_and_nothing_else_lies_about(store, source, shelf):
    assert not await store.exists(KEY)
    assert await store.size_bytes(KEY) is None
    await put(store, source)
    assert await store.exists(KEY)
    assert await store.size_bytes(KEY) == len(CONTENT)
    assert await read(store) == CONTENT
    assert await shelf.names() == [KEY]


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


async def test_a_redelivered_put_of_the_same_bytes_is_a_success(store, source, shelf):
    """S0-63."""
    await put(store, source)
    await put(store, source)
    assert await shelf.names() == [KEY]


async def test_other_bytes_never_replace_a_stored_file(store, source):
    """S0-62."""
    await put(store, source)
    source.write_bytes(b"other")
    with pytest.raises(StorageError) as raised:
        await put(store, source)
    assert raised.value.kind == "conflict"
    assert await read(store) == CONTENT


async def test_of_puts_at_the_same_time_one_content_wins_whole(store, tmp_path, shelf):
    sources = [tmp_path / f"source-{number}" for number in range(8)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number % 2]) * 300_000)
    outcomes = await asyncio.gather(*(put(store, path) for path in sources), return_exceptions=True)
    assert await read(store) in (bytes(300_000), b"\x01" * 300_000)
    assert outcomes.count(None) == 4
    assert [o.kind for o in outcomes if isinstance(o, StorageError)] == ["conflict"] * 4
    assert await shelf.names() == [KEY]


async def test_a_file_that_changed_after_its_check_is_not_stored(store, source, shelf):
    with pytest.raises(StorageError) as raised:
        await store.put(KEY, source, "0" * 64, VIDEO_CONTENT_TYPE)
    assert raised.value.kind == "other"
    assert await shelf.names() == []


async def test_the_store_takes_videos_alone(store, source):
    with pytest.raises(ValueError, match="video/mp4"):
        await store.put(KEY, source, "0" * 64, "text/html")


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


async def test_of_claims_at_the_same_time_one_wins_and_all_are_told_which(store):
    """torture.md row 23; decision 0033."""
    key = operation_key("google", "models/veo/operations/1")
    owners = [f"job-{n}" for n in range(8)]
    told = await asyncio.gather(*(store.claimed(key, owner) for owner in owners))
    assert len(set(told)) == 1
    assert told[0] in owners
    assert await store.claimed(key, "late") == told[0]
    assert await store.claimed(operation_key("fal", "models/veo/operations/1"), "late") == "late"
