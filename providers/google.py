"""Google Veo through the Gemini API: submit, poll, fetch.

It retries nothing and decides nothing: whoever calls it knows the job.
Source: S0-37 to S0-44, C19.
"""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from urllib.parse import quote, urlsplit

import httpx

from domain.catalogue import VEO_3_1
from domain.failures import ProviderFault
from providers import google_wire as wire
from providers.capabilities import CAPABILITIES, with_poll_interval
from providers.http_calls import (
    CONNECT_SECONDS_MAX,
    PLAIN_BYTES,
    Answer,
    AnswerLostError,
    NotSentError,
    counted,
    described,
    encoded,
    exchange,
)
from providers.protocol import (
    Capabilities,
    FetchError,
    PollAnswer,
    ProviderError,
    Refused,
    Submission,
)
from runtime.logs import REDACTED
from runtime.settings import Settings

# 256 KiB at a time: few calls per video, little memory per download.
CHUNK_BYTES = 262_144
# The API sends one redirect at most; five is what browsers of old allowed.
REDIRECTS_MAX = 5
# Silence of a minute within an answer; the deadline of the whole call is the caller's.
_SILENCE_SECONDS_MAX = 60.0
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class GoogleVeo:
    """The adapter of Veo; `records` may stand in for the real capability records.

    Raises: ValueError at start for a key or a base URL that cannot work; never with the key in it.
    """

    name = VEO_3_1.provider

    def __init__(
        self, settings: Settings, records: Mapping[str, Capabilities] = CAPABILITIES
    ) -> None:
        key = settings.google_api_key.get_secret_value()
        if not _KEY.fullmatch(key):
            raise ValueError("GOOGLE_AI_API_KEY is not set, or holds characters that no key has")
        base = _base_url(settings.google_base_url)
        self._key = settings.google_api_key
        self._base_url = str(base).rstrip("/")
        self._version = settings.google_api_version
        self._wire_names = {VEO_3_1.name: settings.google_veo_model}
        self._records = {
            model: with_poll_interval(record, settings.poll_interval_seconds)
            for model, record in records.items()
        }
        # Submissions never use a connection twice: one that the provider closed meanwhile would
        # leave a paid job unknown.
        # Over plain HTTP an empty context, which trusts nobody, saves reading every root there is.
        secure = base.scheme == "https"
        tls = httpx.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client = partial(_client, base, tls)
        self._orders = client(settings.provider_calls_max, keep=0)
        self._reads = client(settings.provider_calls_max, keep=settings.provider_calls_max)
        self._files = client(settings.downloads_max, keep=settings.downloads_max)

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model, with the operator's poll interval if set."""
        return self._records[model]

    async def submit(self, submission: Submission) -> str:
        """Ask for paid work and give the operation's name.

        Raises: ProviderError, whose fault says whether work may have begun.
        Guarantee: sends one request at most; never repeats it.
        """
        model = submission.settings.model
        request = self._orders.build_request(
            "POST",
            self._url(f"models/{quote(self._wire_names[model], safe='')}:predictLongRunning"),
            headers=self._headers(),
            json=wire.submission_body(submission),
        )
        with counted(self.name, "submit"):
            seconds_max = self._records[model].submit_timeout_seconds
            answer = await self._exchange(self._orders, request, seconds_max)
            if not httpx.codes.is_success(answer.status):
                raise self._error(wire.submission_fault(answer), answer)
            try:
                return wire.submitted_operation(answer)
            except wire.NotUnderstoodError as error:
                raise self._error(_unclear(str(error), answer.status)) from None

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        """Ask how an operation is going.

        Raises: ProviderError: `transient` to ask again, else the job has failed.
        """
        url = self._url(quote(operation_id, safe="/:@+~"))
        request = self._reads.build_request("GET", url, headers=self._headers())
        with counted(self.name, "poll"):
            seconds_max = self._records[model].poll_timeout_seconds
            answer = await self._exchange(self._reads, request, seconds_max)
            if not httpx.codes.is_success(answer.status):
                raise self._error(wire.poll_fault(answer), answer)
            try:
                read = wire.polled_operation(answer)
            except wire.NotUnderstoodError as error:
                raise self._error(_unclear(str(error), answer.status)) from None
            if isinstance(read, ProviderFault):
                raise self._error(read)
            if isinstance(read, Refused):
                return Refused(tuple(self._cleaned(reason) for reason in read.reasons))
            return read

    async def cancel(self, model: str, operation_id: str) -> None:
        """Do nothing: the Gemini API cannot stop a video once it was asked for."""

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a finished file as a stream of bytes.

        Raises: FetchError on any answer but the file; the caller bounds the whole by a deadline.
        Guarantee: only the configured host is contacted, whatever the address or a redirect says.
        """
        return self._fetched(source)

    async def close(self) -> None:
        """Close connections."""
        for client in (self._orders, self._reads, self._files):
            await client.aclose()

    @asynccontextmanager
    async def _fetched(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with counted(self.name, "fetch"):
            response = await self._open_file(self._file_url(source))
            try:
                if response.status_code != httpx.codes.OK:
                    raise FetchError(f"the provider answered HTTP {response.status_code}")
                if encoded(response):
                    raise FetchError("the provider sent the file encoded")
                async with aclosing(_chunks(response)) as chunks:
                    yield chunks
            finally:
                await response.aclose()

    async def _open_file(self, url: httpx.URL) -> httpx.Response:
        """Ask for a file; redirects are followed within the origin only, as they get the key."""
        origin = (url.scheme, url.host, url.port)
        for _ in range(REDIRECTS_MAX + 1):
            request = self._files.build_request("GET", url, headers=self._headers())
            try:
                response = await self._files.send(request, stream=True, follow_redirects=False)
            except httpx.HTTPError as error:
                raise FetchError(described(error)) from None
            if not response.has_redirect_location:
                return response
            location = response.headers["location"]
            await response.aclose()
            try:
                url = url.join(location)
            except httpx.InvalidURL:
                raise FetchError("the provider redirects to something that is no URL") from None
            if (url.scheme, url.host, url.port) != origin:
                raise FetchError("the provider redirects to another host; the key stays here")
        raise FetchError(f"the provider redirects more than {REDIRECTS_MAX} times")

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

    async def _exchange(
        self, client: httpx.AsyncClient, request: httpx.Request, seconds_max: float
    ) -> Answer:
        try:
            return await exchange(client, request, seconds_max)
        except NotSentError as error:
            fault = ProviderFault(kind="transient", started="no", message=str(error))
            raise self._error(fault) from None
        except AnswerLostError as error:
            raise self._error(_unclear(str(error))) from None

    def _error(self, fault: ProviderFault, answer: Answer | None = None) -> ProviderError:
        """Make an error of a fault, its texts free of the key (I28) and cut as events need."""
        code = self._cleaned(fault.code)[: wire.CODE_CHARACTERS_MAX] if fault.code else None
        cleaned = replace(fault, message=self._cleaned(fault.message), code=code)
        retry_after_seconds = wire.retry_after_seconds(answer) if answer else None
        return ProviderError(cleaned, retry_after_seconds)

    def _cleaned(self, text: str) -> str:
        whole = text.replace(self._key.get_secret_value(), REDACTED)
        return whole[: wire.DETAIL_CHARACTERS_MAX]

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self._key.get_secret_value(), **PLAIN_BYTES}

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{self._version}/{path}"


def _base_url(text: str) -> httpx.URL:
    try:
        base = httpx.URL(text)
    except httpx.InvalidURL:
        base = httpx.URL("")
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise ValueError("GOOGLE_AI_BASE_URL must be http(s)://host[:port][/path]")
    return base


def _client(
    base: httpx.URL, tls: ssl.SSLContext, connections_max: int, *, keep: int
) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=tls,
        limits=httpx.Limits(max_connections=connections_max, max_keepalive_connections=keep),
        timeout=httpx.Timeout(
            _SILENCE_SECONDS_MAX, connect=CONNECT_SECONDS_MAX, pool=CONNECT_SECONDS_MAX
        ),
        # A proxy of the environment is for the world outside, not for the simulator here.
        trust_env=base.host not in _LOOPBACK,
    )


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            yield chunk
    except httpx.HTTPError as error:
        raise FetchError(described(error)) from None


def _unclear(message: str, status: int | None = None) -> ProviderFault:
    """Say that the provider may have done what was asked, and nobody knows."""
    return ProviderFault(kind="transient", started="unknown", message=message, status=status)
