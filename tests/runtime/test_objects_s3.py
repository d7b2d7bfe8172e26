"""What the media store in a bucket adds to every store's promises: S0-62, S0-63, S0-109."""

import asyncio
import tracemalloc
from hashlib import sha256

import pytest

from runtime.objects import VIDEO_CONTENT_TYPE, FileMediaStore, StorageError, open_media_store
from runtime.objects_s3 import PART_BYTES, S3MediaStore
from runtime.settings import Settings
from tests.runtime.media_stores import CONTENT, DIGEST, KEY, put, read
from tests.s3 import Bucket

LARGE = bytes(range(256)) * (20 * 2**20 // 256)


@pytest.fixture
def store(bucket):
    return bucket.store


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


async def head(bucket: Bucket, name: str = KEY) -> dict[str, object]:
    answer = await bucket.client.head_object(Bucket=bucket.name, Key=name)
    return dict(answer)


async def test_an_object_says_what_it_is_how_long_it_stays_and_that_it_is_encrypted(
    bucket, store, source
):
    """S0-62, S0-109."""
    await put(store, source)
    held = await head(bucket)
    assert held["ContentType"] == "video/mp4"
    assert held["CacheControl"] == "max-age=31536000"
    assert held["ServerSideEncryption"] == "AES256"
    assert held["Metadata"] == {"sha256": DIGEST}


async def test_a_store_without_keys_is_not_asked_to_encrypt(bucket, source):
    """S0-109."""
    store = S3MediaStore.at(bucket.name, Settings(object_store_encryption="none"))
    await put(store, source)
    await store.close()
    assert "ServerSideEncryption" not in await head(bucket)


async def test_twenty_mebibytes_go_in_three_parts_and_come_back_whole(bucket, store, large):
    await put(store, large)
    held = await head(bucket)
    assert str(held["ETag"]).strip('"').endswith("-3")
    assert held["Metadata"] == {"sha256": sha256(LARGE).hexdigest()}
    assert (held["ContentType"], held["ServerSideEncryption"]) == ("video/mp4", "AES256")
    assert await read(store) == LARGE
    assert await read(store, PART_BYTES - 1, PART_BYTES + 1) == LARGE[PART_BYTES - 1 :][:2]
    assert await bucket.names() == [KEY]


@pytest.mark.parametrize(("size_bytes", "parts"), [(PART_BYTES, ""), (PART_BYTES + 1, "-2")])
async def test_more_than_one_part_is_more_than_eight_mebibytes(
    bucket, store, tmp_path, size_bytes, parts
):
    path = tmp_path / "file"
    path.write_bytes(bytes(size_bytes))
    await put(store, path)
    assert str((await head(bucket))["ETag"]).strip('"')[32:] == parts


async def test_a_large_file_takes_little_memory_both_ways(store, large):
    digest = sha256(LARGE).hexdigest()
    await store.exists(KEY)  # The client with its models is there before.
    tracemalloc.start()
    try:
        await store.put(KEY, large, digest, VIDEO_CONTENT_TYPE)
        async with store.open(KEY) as chunks:
            async for chunk in chunks:
                assert len(chunk) <= 2**20
        _, bytes_max = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Two parts: one that is sent, one that the next read is about to replace it with.
    assert bytes_max < 2 * PART_BYTES + 2 * 2**20


async def test_large_puts_of_one_content_at_the_same_time_are_all_a_success(bucket, store, large):
    """S0-63."""
    await asyncio.gather(*(put(store, large) for _ in range(3)))
    assert await bucket.names() == [KEY]


@pytest.mark.parametrize("size_bytes", [100_000, PART_BYTES + 1])
async def test_ten_puts_at_the_same_time_make_one_object_that_is_never_replaced(
    bucket, store, tmp_path, size_bytes
):
    """S0-62: the bucket keeps every version, so a second write would show."""
    versioning = {"Status": "Enabled"}
    await bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration=versioning
    )
    sources = [tmp_path / f"source-{number}" for number in range(10)]
    for number, path in enumerate(sources):
        path.write_bytes(bytes([number]) * size_bytes)
    outcomes = await asyncio.gather(*(put(store, path) for path in sources), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert [o.kind for o in outcomes if isinstance(o, StorageError)] == ["conflict"] * 9
    versions = await bucket.client.list_object_versions(Bucket=bucket.name)
    assert len(versions["Versions"]) == 1
    assert await read(store) == bytes([outcomes.index(None)]) * size_bytes


async def test_a_large_file_that_changed_after_its_check_leaves_no_parts(bucket, store, large):
    with pytest.raises(StorageError) as raised:
        await store.put(KEY, large, "0" * 64, VIDEO_CONTENT_TYPE)
    assert raised.value.kind == "other"
    assert await bucket.names() == []


async def test_a_cancelled_put_takes_its_parts_back(bucket, store, large, monkeypatch):
    part_sent = asyncio.Event()
    client = await store._connection.client()
    upload_part = client.upload_part

    async def second_part_never_ends(**arguments: object) -> object:
        if arguments["PartNumber"] == 2:
            part_sent.set()
            await asyncio.Event().wait()
        return await upload_part(**arguments)

    monkeypatch.setattr(client, "upload_part", second_part_never_ends)
    putting = asyncio.create_task(put(store, large))
    await part_sent.wait()
    assert await bucket.names() == [f"parts of {KEY}"]
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await bucket.names() == []


async def test_an_object_that_came_without_our_metadata_is_compared_by_its_bytes(
    bucket, store, source
):
    """S0-63: such as one that an operator moved here from a folder."""
    await bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=CONTENT)
    await put(store, source)
    source.write_bytes(b"other")
    with pytest.raises(StorageError) as raised:
        await put(store, source)
    assert raised.value.kind == "conflict"


async def test_a_reader_that_stops_early_does_not_hold_the_others_up(store, large):
    await put(store, large)
    for _ in range(3):
        async with store.open(KEY) as chunks:
            assert await anext(chunks)
    assert await read(store, len(LARGE) - 3) == LARGE[-3:]


@pytest.mark.usefixtures("bucket")
async def test_a_bucket_that_is_not_there_needs_an_operator(source):
    """S0-82: and is not taken for a file that is missing."""
    store = S3MediaStore.at("no-such-bucket-of-ours", Settings())
    for asking in (store.exists(KEY), put(store, source), read(store)):
        with pytest.raises(StorageError) as raised:
            await asking
        assert raised.value.kind == "permission"
    await store.close()


async def test_a_prefix_stands_before_every_key(bucket, source):
    store = open_media_store(Settings(object_store_url=f"s3://{bucket.name}/a/prefix/"))
    await put(store, source)
    assert await read(store) == CONTENT
    await store.close()
    assert await bucket.names() == [f"a/prefix/{KEY}"]


async def test_a_key_that_is_too_long_with_its_prefix_is_none():
    store = S3MediaStore.at("bucket/" + "p" * 100, Settings())
    with pytest.raises(ValueError, match="not a key"):
        await store.exists("a/" * 461 + "xy")


async def test_a_closed_store_opens_again(store, source):
    await put(store, source)
    await store.close()
    assert await read(store) == CONTENT


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3://Bucket",
        "s3://ab",
        "s3://user:secret@bucket",
        "s3://bucket//x",
        "s3://bucket/../x",
        "s3://bucket/a b",
    ],
)
def test_a_bucket_that_can_be_none_is_refused_at_start_by_name(url):
    with pytest.raises(ValueError, match="OBJECT_STORE_URL") as raised:
        open_media_store(Settings(object_store_url=url))
    assert "secret" not in str(raised.value)


@pytest.mark.usefixtures("bucket")
async def test_an_address_that_is_none_needs_an_operator(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
    store = S3MediaStore.at("bucket", Settings())
    with pytest.raises(StorageError, match="AWS_ENDPOINT_URL") as raised:
        await store.exists(KEY)
    assert raised.value.kind == "permission"


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_the_region_comes_from_either_variable(monkeypatch, name):
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv(name, "eu-central-1")
    store = S3MediaStore.at("bucket", Settings())
    client = await store._connection.client()
    assert client.meta.region_name == "eu-central-1"
    await store.close()


def test_a_folder_is_still_a_folder(tmp_path):
    assert isinstance(
        open_media_store(Settings(object_store_url=f"file://{tmp_path}")), FileMediaStore
    )
