"""A video's way from the provider into our store, over real sockets and a real folder."""

import asyncio
import errno
import os
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from providers import download
from providers.download import MediaFailure, Renew, download_video
from providers.google import GoogleVeo
from providers.protocol import FILE_BYTES_MAX
from runtime.objects import FileMediaStore, StorageError
from runtime.settings import Settings
from schemas.failure import Failure
from schemas.generation import StoredMedia
from tests.providers.scripted_server import answer, cut, dripping, partial, silence
from tests.runtime.videos import mp4, mp4_of_bytes

SOURCE = "https://generativelanguage.googleapis.com/v1beta/files/secretid:download?alt=media"
KEY = "ada/videos/operation-1.mp4"
VIDEO = mp4()
SENT = answer(200, VIDEO)
GONE = answer(404, b"gone")
MEDIA = StoredMedia(
    object_key=KEY,
    content_type="video/mp4",
    size_bytes=len(VIDEO),
    sha256=sha256(VIDEO).hexdigest(),
    duration_ms=1000,
    width_pixels=64,
    height_pixels=48,
    frames_per_second=24.0,
)


class RefusingStore(FileMediaStore):
    """A store whose first puts fail."""

    def __init__(self, folder: Path, *errors: StorageError) -> None:
        super().__init__(folder)
        self.errors = list(errors)
        self.puts = 0

    async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
        self.puts += 1
        if self.errors:
            raise self.errors.pop(0)
        await super().put(object_key, source, sha256, content_type)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Whatever happens, no temporary file stays behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@dataclass
class Trip:
    """One download, whose parts a test may change first."""

    veo: GoogleVeo
    store: FileMediaStore
    settings: Settings
    waits: list[float]
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def media(
        self, size_bytes_max: int = FILE_BYTES_MAX, renew: Renew | None = None
    ) -> StoredMedia:
        async def noted(seconds: float) -> None:
            assert not self.places.locked(), "a place is held while nothing is fetched"
            self.waits.append(seconds)

        return await download_video(
            self.veo,
            self.store,
            source=SOURCE,
            object_key=KEY,
            settings=self.settings,
            places=self.places,
            renew=renew,
            sleep=noted,
            size_bytes_max=size_bytes_max,
        )

    async def failure(self) -> Failure:
        with pytest.raises(MediaFailure) as raised:
            await self.media()
        assert "secretid" not in str(raised.value)
        assert not await self.store.exists(KEY)
        return raised.value.failure

    def set(self, **changes: float) -> None:
        self.settings = self.settings.model_copy(update=changes)


@pytest.fixture
def trip(veo, tmp_path, settings):
    return Trip(veo, FileMediaStore(tmp_path / "media"), settings, [])


async def test_a_finished_video_ends_up_in_our_own_store_with_its_facts(server, trip):
    """S0-54, S0-64, I21."""
    server.replies(SENT)
    assert await trip.media() == MEDIA
    assert trip.store.path(KEY).read_bytes() == VIDEO
    assert (len(server.received), trip.waits) == (1, [])


async def test_two_failed_attempts_are_followed_by_a_third(server, trip):
    """S0-56, S0-58, S0-81: three fetches, 1 s and 2 s apart."""
    server.replies(GONE, cut, SENT)
    assert await trip.media() == MEDIA
    assert (len(server.received), trip.waits) == (3, [1.0, 2.0])


async def test_whoever_waits_for_another_attempt_leaves_its_place_to_others(server, trip):
    """Else a few bad files hold up every good one; `Trip.places` is a single one."""
    server.replies(GONE, SENT)
    assert await trip.media() == MEDIA
    assert not trip.places.locked()


async def test_nothing_is_fetched_without_a_place(server, trip):
    await trip.places.acquire()
    server.replies(SENT)
    waiting = asyncio.create_task(trip.media())
    assert await asyncio.wait([waiting], timeout=0.1) == (set(), {waiting})
    assert server.received == []
    trip.places.release()
    assert await waiting == MEDIA


async def test_the_waits_go_on_doubling(server, trip):
    """S0-56: 1, 2, 4 s."""
    server.replies(GONE, GONE, GONE, SENT)
    trip.set(download_attempts_max=4)
    assert await trip.media() == MEDIA
    assert trip.waits == [1.0, 2.0, 4.0]


async def test_an_expired_link_is_renewed_once_and_at_once(server, trip):
    """The second time it is a failed attempt like any other; the fresh link stays."""
    renewals: list[str] = []

    async def renew() -> str:
        renewals.append("renewed")
        return "files/fresh"

    server.replies(GONE, GONE, GONE, SENT)
    assert await trip.media(renew=renew) == MEDIA
    assert (renewals, trip.waits) == (["renewed"], [1.0, 2.0])
    fresh = "/v1beta/files/fresh:download?alt=media"
    assert [request.target for request in server.received][1:] == [fresh] * 3


async def test_a_fault_that_is_no_expiry_renews_nothing(server, trip):
    async def renew() -> str:
        raise AssertionError("asked for a fresh link")

    server.replies(answer(500), cut, SENT)
    assert await trip.media(renew=renew) == MEDIA


async def test_a_source_that_is_gone_for_good_fails_the_job(server, trip):
    """S0-65."""
    server.replies(GONE)
    failure = await trip.failure()
    assert (failure.category, failure.code) == ("download_error", "DOWNLOAD_FAILED")
    assert failure.details == {"reason": "the provider answered HTTP 404", "attempts": 3}
    assert len(server.received) == 3


async def test_999_bytes_are_too_few_whatever_they_hold(server, trip):
    """S0-59."""
    server.replies(answer(200, mp4_of_bytes(999)))
    failure = await trip.failure()
    assert failure.details["reason"] == "it has 999 bytes, fewer than 1000"


async def test_1000_bytes_are_enough(server, trip):
    """S0-59."""
    server.replies(answer(200, mp4_of_bytes(1000)))
    assert (await trip.media()).size_bytes == 1000


async def test_a_video_of_exactly_the_largest_size_is_taken(server, trip):
    server.replies(SENT)
    media = await trip.media(size_bytes_max=len(VIDEO))
    assert media == MEDIA


async def test_one_byte_more_than_the_largest_size_is_refused(server, trip):
    """S0-60: reasonable size."""
    server.replies(SENT)
    with pytest.raises(MediaFailure, match="more than"):
        await trip.media(size_bytes_max=len(VIDEO) - 1)


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"<!doctype html><p>Sign in</p>" * 200, Content_Type="video/mp4"),
        answer(200, VIDEO[:-1]),
        answer(200, VIDEO[: len(VIDEO) // 2]),
        answer(200, bytes(5000)),
        answer(200, os.urandom(5000)),
        partial(len(VIDEO), VIDEO[:-1]),
    ],
)
async def test_what_is_no_whole_mp4_counts_as_a_failed_attempt(server, trip, reply):
    """S0-60, S0-81."""
    server.replies(reply)
    failure = await trip.failure()
    assert failure.category == "download_error"
    assert len(server.received) == 3


@pytest.mark.parametrize("stalled", [silence, dripping(VIDEO, 0.01)])
async def test_an_attempt_that_takes_too_long_is_given_up(server, trip, stalled):
    """S0-57: over the whole attempt, so a source that drips is cut off too."""
    server.replies(stalled, SENT)
    trip.set(download_timeout_seconds=0.3)
    assert await trip.media() == MEDIA
    assert (len(server.received), trip.waits) == (2, [1.0])


@pytest.mark.parametrize("kind", ["quota", "permission", "conflict"])
async def test_a_store_that_is_full_or_denied_ends_the_job_at_once(server, trip, tmp_path, kind):
    """S0-82, C17: no second fetch, and an operator is told by the category."""
    server.replies(SENT)
    trip.store = store = RefusingStore(tmp_path / "media", StorageError(kind, "no"))
    failure = await trip.failure()
    assert (failure.category, failure.code) == ("storage_error", "STORAGE_FAILED")
    assert failure.details == {"reason": kind, "problem": f"{kind}: no", "attempts": 1}
    assert (store.puts, len(server.received)) == (1, 1)


async def test_a_storage_fault_that_passes_is_tried_again(server, trip, tmp_path):
    """C17."""
    server.replies(SENT)
    trip.store = store = RefusingStore(tmp_path / "media", *[StorageError("other", "blip")] * 2)
    assert await trip.media() == MEDIA
    assert (store.puts, trip.waits) == (3, [1.0, 2.0])


async def test_a_storage_fault_that_stays_is_a_storage_failure(server, trip, tmp_path):
    server.replies(SENT)
    trip.store = RefusingStore(tmp_path / "media", *[StorageError("other", "blip")] * 3)
    failure = await trip.failure()
    assert (failure.category, failure.code) == ("storage_unavailable", "STORAGE_UNAVAILABLE")
    assert failure.details == {"reason": "other", "problem": "other: blip", "attempts": 3}


async def test_a_full_disk_of_the_worker_is_a_storage_failure_too(server, trip, monkeypatch):
    """S0-82."""

    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/some/path")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    server.replies(SENT)
    failure = await trip.failure()
    assert failure.category == "storage_error"
    problem = "quota: No space left on device (ENOSPC)"
    assert failure.details == {"reason": "quota", "problem": problem, "attempts": 1}


async def test_a_redelivered_download_of_a_stored_file_succeeds_although_the_provider_dropped_it(
    server, trip
):
    """S0-63, S0-54: stored, but the event was never written."""
    server.replies(SENT, GONE)
    first = await trip.media()
    assert await trip.media() == first == MEDIA
    assert len(server.received) == 1


async def test_a_put_that_another_worker_finished_meanwhile_is_a_success(server, trip, tmp_path):
    """S0-63."""

    class Overtaken(FileMediaStore):
        async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
            await super().put(object_key, source, sha256, content_type)
            await super().put(object_key, source, sha256, content_type)

    trip.store = Overtaken(tmp_path / "media")
    server.replies(SENT)
    assert await trip.media() == MEDIA


async def test_a_stored_file_that_rotted_is_never_called_complete(server, trip):
    """I21: nor is it overwritten; an operator must look."""
    path = trip.store.path(KEY)
    path.parent.mkdir(parents=True)
    path.write_bytes(VIDEO + b"rot")
    server.replies(SENT)
    with pytest.raises(MediaFailure) as raised:
        await trip.media()
    assert raised.value.failure.category == "storage_error"
    assert path.read_bytes() == VIDEO + b"rot"


async def test_a_worker_that_stops_in_the_middle_leaves_nothing_behind(server, trip, temporary):
    asked = asyncio.Event()

    async def never(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await silence(writer)

    server.replies(never)
    running = asyncio.create_task(trip.media())
    async with asyncio.timeout(5):
        await asked.wait()
    assert len(list(temporary.iterdir())) == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await trip.store.exists(KEY)


async def test_many_small_writes_make_the_same_file(server, trip, monkeypatch):
    monkeypatch.setattr(download, "WRITE_BYTES", 1)
    monkeypatch.setattr("providers.connections.CHUNK_BYTES", 7)
    server.replies(SENT)
    assert await trip.media() == MEDIA


def count(outcome: str) -> float:
    return REGISTRY.get_sample_value("tapeworks_downloads_total", {"outcome": outcome}) or 0.0


async def test_every_attempt_is_counted_by_its_outcome(server, trip):
    outcomes = ("fetch", "corrupt", "stored", "already_stored")
    before = [count(outcome) for outcome in outcomes]
    server.replies(GONE, answer(200, bytes(2000)), SENT)
    await trip.media()
    await trip.media()
    assert [count(outcome) for outcome in outcomes] == [seen + 1 for seen in before]
