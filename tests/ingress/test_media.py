from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.ingress.conftest import World
from tests.ingress.fakes import generation_row

KEY = "ann/videos/clip-1.mp4"
CONTENT = bytes(range(256)) * 8


@pytest.fixture(params=["folder", "s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """An ingress over each kind of store."""
    store = request.getfixturevalue("bucket").store if request.param == "s3" else None
    return World(tmp_path / "media", media_store=store)


@pytest.fixture
async def link(world: World, ann: httpx.AsyncClient, tmp_path: Path) -> str:
    """Store a video of ann's and ask for the link to it."""
    file = tmp_path / "clip.mp4"
    file.write_bytes(CONTENT)
    await world.media.put(KEY, file, sha256(CONTENT).hexdigest(), "video/mp4")
    row = generation_row(status="completed", object_key=KEY)
    world.read_model.rows.append(("ann", row))
    answer = await ann.get(f"/v1/generations/{row.job_id}/video")
    content = answer.json()
    assert (answer.status_code, content["expires_at"]) == (200, "2026-03-01T13:00:00Z")
    assert content["url"].startswith(f"http://tape.test/v1/media/{KEY}?expires=")
    return str(content["url"])


async def test_a_link_opens_the_file_without_a_key(link: str, nobody: httpx.AsyncClient):
    """C24."""
    answer = await nobody.get(link)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["cache-control"] == "private, max-age=31536000"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == "2048"


async def test_head_tells_the_size_alone(link: str, nobody: httpx.AsyncClient):
    answer = await nobody.head(link)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "2048"


@pytest.mark.parametrize(
    ("asked", "first", "after"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=2047-", 2047, 2048),
        ("bytes=-1", 2047, 2048),
        ("bytes=-5000", 0, 2048),
        ("bytes=1000-5000", 1000, 2048),
    ],
)
async def test_a_range_gives_these_bytes(
    link: str, nobody: httpx.AsyncClient, asked: str, first: int, after: int
):
    """RFC 9110, section 14."""
    answer = await nobody.get(link, headers={"Range": asked})
    assert answer.content == CONTENT[first:after]
    if (first, after) != (0, 2048):
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {first}-{after - 1}/2048"


@pytest.mark.parametrize("asked", ["bytes=2048-", "bytes=5000-6000", "bytes=-0"])
async def test_a_range_outside_the_file_is_answered_416(
    link: str, nobody: httpx.AsyncClient, asked: str
):
    answer = await nobody.get(link, headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["content-range"] == "bytes */2048"


@pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "items=1-2", "bytes=0-1,4-5", "x"])
async def test_what_is_no_single_range_gives_the_whole_file(
    link: str, nobody: httpx.AsyncClient, asked: str
):
    answer = await nobody.get(link, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_range_of_another_file_than_was_meant_gives_the_whole_file(
    link: str, nobody: httpx.AsyncClient
):
    tag = (await nobody.head(link)).headers["etag"]
    for meant, status in ((tag, 206), ('"other"', 200)):
        headers = {"Range": "bytes=0-9", "If-Range": meant}
        assert (await nobody.get(link, headers=headers)).status_code == status


async def test_a_link_ends(world: World, link: str, nobody: httpx.AsyncClient):
    """C24, S1-28: it works until its end, not at it."""
    world.now += timedelta(seconds=3599)
    assert (await nobody.get(link)).status_code == 200
    world.now += timedelta(seconds=1)
    answer = await nobody.get(link)
    assert (answer.status_code, answer.json()["code"]) == (403, "LINK_EXPIRED")


async def test_a_link_that_was_changed_opens_nothing(link: str, nobody: httpx.AsyncClient):
    """S0-105."""
    path, _, query = link.partition("?")
    expires = query.split("&")[0].split("=")[1]
    for wrong in (
        path,
        f"{path}?{query[:-1]}",
        f"{path}?{query.replace(expires, str(int(expires) + 1))}",
        f"{path.replace('ann/', 'bob/')}?{query}",
        f"{path.replace('ann/', 'ann//')}?{query}",
        f"{path.replace('/videos/', '/%2e%2e/ann/videos/')}?{query}",
        f"{path}?expires={expires}&signature=caf%C3%A9",
    ):
        answer = await nobody.get(wrong)
        assert answer.status_code == 403, wrong
        assert answer.json()["code"] == "LINK_INVALID"


async def test_a_file_that_is_gone_is_answered_404(world: World, nobody: httpx.AsyncClient):
    other_name = "ann/videos/clip-2.mp4"
    expires_at = world.now + timedelta(seconds=60)
    query = world.app.state.services.media_links.sign(other_name, expires_at)
    link = f"http://tape.test/v1/media/{other_name}?{query}"
    assert (await nobody.get(link)).status_code == 404


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_a_job_without_a_video_gives_no_link(
    world: World, ann: httpx.AsyncClient, status: str
):
    retryable = status == "processing"
    row = generation_row(status=status)
    world.read_model.rows.append(("ann", row))
    answer = await ann.get(f"/v1/generations/{row.job_id}/video")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "GENERATION_NOT_COMPLETED")
    assert (problem["details"], problem["retryable"]) == ({"status": status}, retryable)


async def test_somebody_elses_video_gives_no_link(world: World, link: str, bob: httpx.AsyncClient):
    """S0-105, I27."""
    assert link
    ((_, row),) = world.read_model.rows
    assert (await bob.get(f"/v1/generations/{row.job_id}/video")).status_code == 404
