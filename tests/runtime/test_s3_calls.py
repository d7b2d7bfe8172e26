"""How refusals and silences of S3 are told apart: S0-82, C17; by codes alone, never by a text."""

import asyncio
import re
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from runtime import objects_s3, s3_calls
from runtime.objects import VIDEO_CONTENT_TYPE, StorageError
from runtime.objects_s3 import S3MediaStore
from runtime.settings import Settings
from tests.runtime.media_stores import CONTENT, DIGEST, KEY, put, read
from tests.s3 import use_s3

# Misleading on purpose: it holds the key, and the words of every kind.
TEXT = f"QuotaExceeded AccessDenied NoSuchKey {KEY}"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def error(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{TEXT}</Message></Error>"
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


class Scripted:
    """An S3 that answers each method as it is told to; None is no answer at all."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | None] = {}
        self.answers_after: dict[str, dict[str, bytes | None]] = {}
        self.asked = Counter[str]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                method = head.split(b" ", 1)[0].decode()
                self.asked[method] += 1
                if b"100-continue" in head.lower():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await reader.readexactly(_body_bytes(head))
                answer = self.answers.get(method, _NOT_FOUND)
                self.answers.update(self.answers_after.get(method, {}))
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client went away.
        finally:
            writer.close()


def _body_bytes(head: bytes) -> int:
    length = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return int(length[1]) if length else 0


@pytest.fixture
async def scripted(monkeypatch) -> AsyncIterator[Scripted]:
    scripted = Scripted()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    use_s3(monkeypatch, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield scripted


@pytest.fixture
async def store(scripted: Scripted) -> AsyncIterator[S3MediaStore]:
    # HEAD of an object that is missing also asks for the bucket, once; here it is there.
    assert scripted.asked.total() == 0
    store = S3MediaStore.at("bucket", Settings())
    store._bucket_seen = True
    yield store
    await store.close()


@asynccontextmanager
async def refused(kind: str) -> AsyncIterator[None]:
    """Expect a StorageError of a kind, without a key anywhere in it."""
    with pytest.raises(StorageError) as raised:
        yield
    assert raised.value.kind == kind
    assert KEY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((404, "NoSuchBucket"), "permission"),
        ((403, "AccessDenied"), "permission"),
        ((403, "InvalidAccessKeyId"), "permission"),
        ((403, "SignatureDoesNotMatch"), "permission"),
        ((400, "ExpiredToken"), "permission"),
        ((403, "SomethingNew"), "permission"),
        ((401, ""), "permission"),
        ((403, "QuotaExceeded"), "quota"),
        ((507, "XMinioStorageFull"), "quota"),
        ((400, "EntityTooLarge"), "quota"),
        ((400, "BadDigest"), "other"),
        ((503, "SlowDown"), "other"),
        ((500, "InternalError"), "other"),
        ((501, "NotImplemented"), "other"),
    ],
)
async def test_a_refused_put_says_of_which_kind_it_is(scripted, store, source, answer, kind):
    """S0-82: the kind decides whether an operator is needed."""
    scripted.answers["PUT"] = error(*answer)
    async with refused(kind):
        await put(store, source)


@pytest.mark.parametrize(("status", "kind"), [(403, "permission"), (500, "other"), (503, "other")])
async def test_a_refused_look_is_told_by_its_status_alone(scripted, store, status, kind):
    """An answer to HEAD has no body, so no code."""
    scripted.answers["HEAD"] = f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()
    async with refused(kind):
        await store.exists(KEY)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", "missing"),
        (404, "NoSuchBucket", "permission"),
        (403, "AccessDenied", "permission"),
        (503, "SlowDown", "other"),
    ],
)
async def test_a_refused_read_says_of_which_kind_it_is(scripted, store, status, code, kind):
    scripted.answers["GET"] = error(status, code)
    async with refused(kind):
        await read(store)


@pytest.mark.parametrize(
    ("status", "code"), [(412, "PreconditionFailed"), (409, "ConditionalRequestConflict")]
)
async def test_a_write_that_another_got_before_is_repeated_if_nothing_came_of_that(
    scripted, store, source, status, code
):
    """The other write may still be under way, or have failed: a later attempt will see."""
    scripted.answers["PUT"] = error(status, code)
    async with refused("other"):
        await put(store, source)
    assert scripted.asked == {"HEAD": 2, "PUT": 1}


@pytest.mark.parametrize(("digest", "outcome"), [(DIGEST, None), ("0" * 64, "conflict")])
async def test_a_write_that_another_got_before_is_compared_with_what_is_there(
    scripted, store, source, digest, outcome
):
    """S0-63."""
    held = f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-amz-meta-sha256: {digest}\r\n\r\n".encode()

    scripted.answers_after["PUT"] = {"HEAD": held}
    scripted.answers["PUT"] = error(412, "PreconditionFailed")
    if outcome is None:
        await put(store, source)
    else:
        async with refused(outcome):
            await put(store, source)


async def test_a_passing_fault_is_asked_about_twice_and_no_more(scripted, store):
    """The caller repeats the whole download; more here would multiply."""
    scripted.answers["GET"] = error(503, "SlowDown")
    async with refused("other"):
        await read(store)
    assert scripted.asked["GET"] == s3_calls.ATTEMPTS_MAX == 2


async def test_an_upload_whose_part_is_refused_is_taken_back(scripted, store, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(objects_s3.PART_BYTES + 1))
    begun = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(begun)}"
    scripted.answers["POST"] = f"{head}\r\n\r\n{begun}".encode()
    scripted.answers["PUT"] = error(403, "QuotaExceeded")
    scripted.answers["DELETE"] = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with refused("quota"):
        await put(store, path)
    assert scripted.asked["DELETE"] == 1


async def test_a_store_that_says_nothing_is_given_up_in_time(scripted, store, source, monkeypatch):
    monkeypatch.setattr(objects_s3, "ANSWER_SECONDS_MAX", 0.2)
    monkeypatch.setattr(objects_s3, "PUT_SECONDS_MAX", 0.2)
    scripted.answers.update(HEAD=None, GET=None)
    for asking in (store.exists(KEY), read(store), put(store, source)):
        async with asyncio.timeout(10), refused("other"):
            await asking


@pytest.mark.parametrize("rest", ["stall", "end"])
async def test_a_stream_that_breaks_off_is_an_error_not_an_end(store, monkeypatch, rest):
    monkeypatch.setattr(objects_s3, "READ_SECONDS_MAX", 0.2)
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2560000\r\n\r\n" + CONTENT[:1000]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(whole)
        await writer.drain()
        if rest == "stall":
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        use_s3(monkeypatch, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with asyncio.timeout(10), refused("other"):
            await read(store)
        await store.close()


async def test_a_store_that_is_away_is_another_error(store, monkeypatch):
    # Port 1 is nobody's.
    use_s3(monkeypatch, "http://127.0.0.1:1")
    async with refused("other"):
        await store.exists(KEY)


async def test_a_store_without_credentials_needs_an_operator(store, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    async with refused("permission"):
        await store.exists(KEY)


async def test_an_error_of_the_file_itself_is_told_as_one(store, tmp_path):
    with pytest.raises(StorageError) as raised:
        await store.put(KEY, tmp_path / "gone", DIGEST, VIDEO_CONTENT_TYPE)
    assert raised.value.kind == "missing"


async def test_a_code_that_is_none_is_not_repeated(scripted, store):
    scripted.answers["GET"] = error(400, f"see {KEY}")
    async with refused("other"):
        await read(store)
