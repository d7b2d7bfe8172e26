"""Google Veo through Vertex: submit, poll, and fetch of a video that stands in the answer.

It retries nothing and decides nothing: whoever calls it knows the job.
Source: google-genai 3 with `vertexai=True`, an API key and a base URL.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from urllib.parse import quote

import httpx

from domain.catalogue import VEO_3_1_VERTEX
from providers import google_calls
from providers import google_wire as wire
from providers.capabilities import CAPABILITIES, records_of
from providers.connections import (
    Connections,
    base_text,
    checked_base_url,
    chunks_of,
    opened_key,
    origin,
    sent,
)
from providers.http_calls import (
    NotUnderstoodError,
    counted,
    encoded,
    file_refused,
)
from providers.inline_video import InlineVideo
from providers.protocol import CancelAnswer, Capabilities, FetchError, PollAnswer, Submission
from runtime.settings import Settings

# 256 MiB of JSON hold 192 MiB of video: 8 s, the longest on offer, at 200 Mbit/s, ten times what
# the model makes. Disk, not memory, is what it bounds: nothing is ever held whole.
ANSWER_BYTES_MAX = 268_435_456
_STORAGE_SCHEME = "gs://"
# What an answer says as soon as a video begins in it, without the video.
_VIDEO_BEGUN = b'{"done": true, "response": {"videos": [{"bytesBase64Encoded": ""}]}}'


class VertexVeo:
    """The adapter of Veo behind Vertex; `records` may stand in for the real records.

    Raises: ValueError at start for a key or an address that cannot work; never with the key in it.
    """

    name = VEO_3_1_VERTEX.provider

    def __init__(
        self, settings: Settings, records: Mapping[str, Capabilities] = CAPABILITIES
    ) -> None:
        key = opened_key(settings.vertex_api_key, "VERTEX_AI_API_KEY")
        base = checked_base_url(settings.vertex_base_url, "VERTEX_AI_BASE_URL")
        storage = checked_base_url(settings.vertex_storage_url, "VERTEX_AI_STORAGE_URL")
        self._base_url, self._storage_url = base_text(base), base_text(storage)
        self._model = settings.vertex_veo_model
        self._records = records_of(self.name, records, settings)
        bearer = settings.vertex_auth == "bearer"
        self._connections = Connections(
            base,
            key,
            settings,
            header="authorization" if bearer else "x-goog-api-key",
            prefix="Bearer " if bearer else "",
            files_elsewhere=storage.scheme == "https",
        )

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model, with the operator's poll interval if set."""
        return self._records[model]

    async def submit(self, submission: Submission) -> str:
        """Ask for paid work and give the operation's name.

        Raises: ProviderError, whose fault says whether work may have begun.
        Guarantee: sends one request at most; never repeats it.
        """
        path = f"publishers/google/models/{quote(self._model, safe='')}:predictLongRunning"
        seconds_max = self._records[submission.settings.model].submit_timeout_seconds
        # Here sound is a choice; the other door to this model always makes it.
        sound: dict[str, object] = {"generateAudio": True}
        with counted(self.name, "submit"):
            return await google_calls.submitted(
                self._connections, self._url(path), submission, seconds_max, sound
            )

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        """Ask how an operation is going; a video in the answer is not read, only noticed.

        Raises: ProviderError: `transient` to ask again, else the job has failed.
        """
        request = self._poll_request(self._connections.reads, operation_id)
        seconds_max = self._records[model].poll_timeout_seconds
        read = partial(wire.polled_vertex_operation, operation_id=operation_id)
        with counted(self.name, "poll"):
            return await google_calls.polled(
                self._connections, request, seconds_max, read, _body_up_to_video
            )

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        """Do nothing: a video cannot be stopped once it was asked for."""
        del model, operation_id
        return "not_offered"

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a finished video as a stream of bytes; an operation is asked for it once more.

        Raises: FetchError on any answer but the video; the caller bounds the whole by a deadline.
        Guarantee: only the configured hosts are contacted, whatever the source says.
        """
        return self._fetched(source)

    async def close(self) -> None:
        """Close connections."""
        await self._connections.close()

    @asynccontextmanager
    async def _fetched(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        opened = self._stored if source.startswith(_STORAGE_SCHEME) else self._inline
        with counted(self.name, "fetch"):
            async with opened(source) as chunks:
                yield chunks

    @asynccontextmanager
    async def _stored(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        bucket, _, path = source.removeprefix(_STORAGE_SCHEME).partition("/")
        if not bucket or not path:
            raise FetchError("the video's address names no object of a bucket")
        place = f"storage/v1/b/{quote(bucket, safe='')}/o/{quote(path, safe='')}?alt=media"
        url = httpx.URL(f"{self._storage_url}/{place}")

        def objection(moved: httpx.URL) -> str | None:
            # Whoever is asked gets the key.
            return None if origin(moved) == origin(url) else "another host; the key stays here"

        async with self._connections.file(url, objection, self._connections.headers) as chunks:
            yield chunks

    @asynccontextmanager
    async def _inline(self, operation_id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        files = self._connections.files
        response = await sent(files, self._poll_request(files, operation_id))
        try:
            if response.status_code != httpx.codes.OK:
                raise file_refused(response.status_code)
            if encoded(response):
                raise FetchError("the provider sent the file encoded")
            async with aclosing(_decoded(response)) as chunks:
                yield chunks
        finally:
            await response.aclose()

    def _poll_request(self, client: httpx.AsyncClient, operation_id: str) -> httpx.Request:
        resource = quote(operation_id.partition("/operations/")[0], safe="/:@+~")
        return client.build_request(
            "POST",
            self._url(f"{resource}:fetchPredictOperation"),
            headers=self._connections.headers,
            json={"operationName": operation_id},
        )

    def _url(self, path: str) -> str:
        return f"{self._base_url}/v1beta1/{path}"


async def _body_up_to_video(response: httpx.Response) -> bytes | None:
    """Read an answer of 1 MiB at most; one with a video only until the video begins."""
    if encoded(response):
        return None
    answer = InlineVideo()
    try:
        async for chunk in response.aiter_raw():
            answer.feed(chunk)
            if answer.begun:
                return _VIDEO_BEGUN
    except NotUnderstoodError:
        # Also a video that is none: the download, which has a bound, will say so.
        return _VIDEO_BEGUN if answer.begun else None
    return bytes(answer.remainder)


async def _decoded(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Give the video in an answer as it arrives.

    Raises: FetchError if there is none, or not all of it.
    """
    answer, size_bytes = InlineVideo(), 0
    async with aclosing(chunks_of(response)) as chunks:
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > ANSWER_BYTES_MAX:
                raise FetchError(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
            try:
                video = answer.feed(chunk)
            except NotUnderstoodError as error:
                raise FetchError(str(error)) from None
            if video:
                yield video
            if answer.ended:
                return
    raise FetchError("the video in the answer broke off" if answer.begun else "no video came")
