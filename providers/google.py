"""Google Veo through the Gemini API: submit, poll, fetch.

It retries nothing and decides nothing: whoever calls it knows the job.
Source: S0-37 to S0-44, C19.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import quote, urlsplit

import httpx

from domain.catalogue import VEO_3_1
from providers import google_calls
from providers import google_wire as wire
from providers.capabilities import CAPABILITIES, records_of
from providers.connections import (
    Connections,
    base_text,
    checked_base_url,
    opened_key,
    origin,
)
from providers.http_calls import counted
from providers.protocol import CancelAnswer, Capabilities, FetchError, PollAnswer, Submission
from runtime.settings import Settings


class GoogleVeo:
    """The adapter of Veo; `records` may stand in for the real capability records.

    Raises: ValueError at start for a key or a base URL that cannot work; never with the key in it.
    """

    name = VEO_3_1.provider

    def __init__(
        self, settings: Settings, records: Mapping[str, Capabilities] = CAPABILITIES
    ) -> None:
        key = opened_key(settings.google_api_key, "GOOGLE_AI_API_KEY", "GOOGLE_GENAI_API_KEY")
        base = checked_base_url(settings.google_base_url, "GOOGLE_AI_BASE_URL")
        self._base_url = base_text(base)
        self._version = settings.google_api_version
        self._wire_names = {VEO_3_1.name: settings.google_veo_model}
        self._records = records_of(self.name, records, settings)
        self._connections = Connections(base, key, settings, header="x-goog-api-key")

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model, with the operator's poll interval if set."""
        return self._records[model]

    async def submit(self, submission: Submission) -> str:
        """Ask for paid work and give the operation's name.

        Raises: ProviderError, whose fault says whether work may have begun.
        Guarantee: sends one request at most; never repeats it.
        """
        model = submission.settings.model
        path = f"models/{quote(self._wire_names[model], safe='')}:predictLongRunning"
        seconds_max = self._records[model].submit_timeout_seconds
        with counted(self.name, "submit"):
            return await google_calls.submitted(
                self._connections, self._url(path), submission, seconds_max
            )

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        """Ask how an operation is going.

        Raises: ProviderError: `transient` to ask again, else the job has failed.
        """
        request = self._connections.reads.build_request(
            "GET",
            self._url(quote(operation_id, safe="/:@+~")),
            headers=self._connections.headers,
        )
        seconds_max = self._records[model].poll_timeout_seconds
        with counted(self.name, "poll"):
            return await google_calls.polled(
                self._connections, request, seconds_max, wire.polled_operation
            )

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        """Do nothing: the Gemini API cannot stop a video once it was asked for."""
        del model, operation_id
        return "not_offered"

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a finished file as a stream of bytes.

        Raises: FetchError on any answer but the file; the caller bounds the whole by a deadline.
        Guarantee: only the configured host is contacted, whatever the address or a redirect says.
        """
        return self._fetched(source)

    async def close(self) -> None:
        """Close connections."""
        await self._connections.close()

    @asynccontextmanager
    async def _fetched(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with counted(self.name, "fetch"):
            url, headers = self._file_url(source), self._connections.headers

            def objection(moved: httpx.URL) -> str | None:
                # Whoever is asked gets the key.
                same = origin(moved) == origin(url)
                return None if same else "another host; the key stays here"

            async with self._connections.file(url, objection, headers) as chunks:
                yield chunks

    def _file_url(self, source: str) -> httpx.URL:
        """Put the configured scheme and host in place of the address's own."""
        try:
            named = urlsplit(source)
            if not named.scheme and not named.netloc and named.path.startswith("files/"):
                return httpx.URL(self._url(f"{named.path}:download?alt=media"))
            if named.scheme not in ("http", "https") or not named.path.startswith("/"):
                raise FetchError("the video's address is no http(s) URL")
            query = f"?{named.query}" if named.query else ""
            return httpx.URL(f"{self._base_url}{named.path}{query}")
        except (ValueError, httpx.InvalidURL):
            raise FetchError("the video's address is no http(s) URL") from None

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{self._version}/{path}"
