"""I21: a completed job's file is in the store, with its size and its bytes."""

from hashlib import sha256
from pathlib import Path

import pytest

from replay.checks import Check
from replay.generation_jobs import Delivery
from replay.media_check import check_media
from runtime.objects import FileMediaStore
from tests.replay.world import media, uuid
from tests.s3 import Bucket

VIDEO = b"0" * 2000
KEY = media("j1").object_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / KEY).parent.mkdir(parents=True)
    (tmp_path / KEY).write_bytes(VIDEO)
    return tmp_path


async def checked(folder: Path, size_bytes: int = len(VIDEO), content: bytes = VIDEO) -> list[str]:
    check = Check("media", "I21", "")
    promise = media("j1", size_bytes, sha256(content).hexdigest())
    delivery = Delivery(uuid("j1"), "generation.events[0]@8", promise)
    await check_media(check, FileMediaStore(folder), [delivery])
    assert check.looked_at == 1
    return check.violations


async def test_a_file_that_is_there_whole_is_right_I21(folder: Path):
    assert await checked(folder) == []


async def test_a_missing_file_is_named_with_its_job_I21(folder: Path):
    (folder / KEY).unlink()
    assert await checked(folder) == [
        f"generation.events[0]@8: the file {KEY} of job {uuid('j1')} is missing"
    ]


async def test_a_file_of_another_size_is_named_I21(folder: Path):
    assert "has 2000 bytes, promised were 2001" in (await checked(folder, 2001))[0]


async def test_a_file_with_other_bytes_is_named_I21(folder: Path):
    assert "has the SHA-256" in (await checked(folder, content=b"1" * 2000))[0]


async def test_objects_in_a_bucket_are_opened_as_files_are_I21(bucket: Bucket):
    check = Check("media", "I21", "")
    right, missing = media("j1", len(VIDEO), sha256(VIDEO).hexdigest()), media("j2")
    await bucket.client.put_object(Bucket=bucket.name, Key=KEY, Body=VIDEO)
    deliveries = [
        Delivery(uuid("j1"), "generation.events[0]@8", right),
        Delivery(uuid("j1"), "generation.events[0]@9", media("j1", len(VIDEO), "b" * 64)),
        Delivery(uuid("j2"), "generation.events[0]@10", missing),
    ]
    await check_media(check, bucket.store, deliveries)
    assert check.looked_at == 3
    wrong, absent = check.violations
    assert "@9" in wrong
    assert "has the SHA-256" in wrong
    assert absent.endswith("is missing")
