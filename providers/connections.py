"""One provider's connections and key: calls are bounded, and the key shows in no error.

It knows no provider's wire format, retries nothing and decides nothing.
"""

import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import httpx
from pydantic import SecretStr

from domain.failures import ProviderFault
from providers.http_calls import (
    CONNECT_SECONDS_MAX,
    PLAIN_BYTES,
    Answer,
    AnswerLostError,
    BodyReader,
    NotSentError,
    NotUnderstoodError,
    bounded_body,
    declared_bytes,
    described,
    encoded,
    exchange,
    file_refused,
)
from providers.protocol import (
    CODE_CHARACTERS_MAX,
    DETAIL_CHARACTERS_MAX,
    FILE_BYTES_MAX,
    FetchError,
    PollAnswer,
    ProviderError,
    Refused,
)
from providers.public_network import keep_to_public_network
from runtime.changing_secrets import ChangingSecret
from runtime.logs import REDACTED
from runtime.settings import Settings

# 256 KiB at a time: few calls per video, little memory per download.
CHUNK_BYTES = 262_144
# The APIs send one redirect at most; five is what browsers of old allowed.
REDIRECTS_MAX = 5
# Silence of a minute within an answer; the deadline of the whole call is the caller's.
_SILENCE_SECONDS_MAX = 60.0
_KEY = re.compile(r"[A-Za-z0-9._~+/:=-]+")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Read = TypeVar("Read")
# Gives what is wrong with going to an address; None if nothing is.
Objection = Callable[[httpx.URL], str | None]


class Connections:
    """Three pools of one provider: orders, reads and files; `header` carries `prefix` and key.

    Submissions never use a connection twice: one that the provider closed meanwhile would leave a
    paid job unknown. `files_elsewhere`: files lie on another host that we configured;
    `files_anywhere`: on whatever host the provider names, as long as that is a public one.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        key: ChangingSecret,
        settings: Settings,
        *,
        header: str,
        prefix: str = "",
        files_elsewhere: bool = False,
        files_anywhere: bool = False,
    ) -> None:
        self.base_url = base_url
        self._key, self._header, self._prefix = key, header, prefix
        # Over plain HTTP an empty context, which trusts nobody, saves reading every root there is.
        secure = base_url.scheme == "https" or files_elsewhere or files_anywhere
        tls = httpx.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client = partial(_client, base_url, tls)
        self.orders = client(settings.provider_calls_max, keep=0)
        self.reads = client(settings.provider_calls_max, keep=settings.provider_calls_max)
        self.files = client(settings.downloads_max, keep=settings.downloads_max)
        if files_anywhere:
            keep_to_public_network(self.files, base_url)

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers that say who asks."""
        return {self._header: self._prefix + self._key.current(), **PLAIN_BYTES}

    async def exchange(
        self,
        client: httpx.AsyncClient,
        request: httpx.Request,
        seconds_max: float,
        body_of: BodyReader = bounded_body,
    ) -> Answer:
        """Send one request and read its answer, whatever it is.

        Raises: ProviderError where no answer came.
        Guarantee: one request at most; no redirect is followed.
        """
        try:
            return await exchange(client, request, seconds_max, body_of)
        except NotSentError as error:
            fault = ProviderFault(kind="transient", started="no", message=str(error))
            raise self.error(fault) from None
        except AnswerLostError as error:
            raise self.error(unclear(str(error))) from None

    def understood(self, answer: Answer, read: Callable[[Answer], Read]) -> Read:
        """Read an answer.

        Raises: ProviderError if it makes no sense.
        """
        try:
            return read(answer)
        except NotUnderstoodError as error:
            raise self.error(unclear(str(error), answer.status)) from None

    def told(self, outcome: PollAnswer | ProviderFault) -> PollAnswer:
        """Give what a poll told, free of the key.

        Raises: ProviderError for a fault.
        """
        if isinstance(outcome, ProviderFault):
            raise self.error(outcome)
        if isinstance(outcome, Refused):
            reasons = tuple(self._cleaned(reason) for reason in outcome.reasons)
            return replace(outcome, reasons=reasons)
        return outcome

    def error(
        self, fault: ProviderFault, retry_after_seconds: float | None = None
    ) -> ProviderError:
        """Make an error of a fault, its texts free of the key (I28) and cut as events need."""
        code = self._cleaned(fault.code)[:CODE_CHARACTERS_MAX] if fault.code else None
        cleaned = replace(fault, message=self._cleaned(fault.message), code=code)
        return ProviderError(cleaned, retry_after_seconds)

    @asynccontextmanager
    async def file(
        self, url: httpx.URL, objection: Objection, headers: dict[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a file; redirects are followed as long as there is no objection.

        Raises: FetchError on any answer but the file.
        """
        response = await self._open_file(url, objection, headers)
        try:
            if response.status_code != httpx.codes.OK:
                raise file_refused(response.status_code)
            if encoded(response):
                raise FetchError("the provider sent the file encoded")
            if (declared := declared_bytes(response)) > FILE_BYTES_MAX:
                raise FetchError(f"the file has {declared} bytes, more than {FILE_BYTES_MAX}")
            async with aclosing(chunks_of(response)) as chunks:
                yield chunks
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close connections."""
        for client in (self.orders, self.reads, self.files):
            await client.aclose()

    async def _open_file(
        self, url: httpx.URL, objection: Objection, headers: dict[str, str]
    ) -> httpx.Response:
        for _ in range(REDIRECTS_MAX + 1):
            request = self.files.build_request("GET", url, headers=headers)
            response = await sent(self.files, request)
            if not response.has_redirect_location:
                return response
            location = response.headers["location"]
            await response.aclose()
            try:
                url = url.join(location)
            except httpx.InvalidURL:
                raise FetchError("the provider redirects to something that is no URL") from None
            if (problem := objection(url)) is not None:
                raise FetchError(f"the provider redirects to {problem}")
        raise FetchError(f"the provider redirects more than {REDIRECTS_MAX} times")

    def _cleaned(self, text: str) -> str:
        for key in self._key.known():
            text = text.replace(key, REDACTED)
        return text[:DETAIL_CHARACTERS_MAX]


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Give what of an address decides who gets to see what is sent there."""
    return url.scheme, url.host, url.port


async def sent(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Send a request for a file; the caller closes the answer.

    Raises: FetchError.
    """
    try:
        return await client.send(request, stream=True, follow_redirects=False)
    except httpx.HTTPError as error:
        raise FetchError(described(error)) from None


async def chunks_of(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """Give an answer's bytes as they come.

    Raises: FetchError.
    """
    try:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            yield chunk
    except httpx.HTTPError as error:
        raise FetchError(described(error)) from None


def opened_key(key: SecretStr, *variables: str) -> ChangingSecret:
    """Give a key that follows its file, if `<variable>_FILE` names one.

    Raises: ValueError for one that cannot work; never with the key in it.
    """
    check = partial(checked_key, variable=variables[0])
    return ChangingSecret(check(key), variables, check)


def checked_key(key: SecretStr, variable: str) -> SecretStr:
    """Give a key back.

    Raises: ValueError for one that cannot work; never with the key in it.
    """
    if not _KEY.fullmatch(key.get_secret_value()):
        raise ValueError(f"{variable} is not set, or holds characters that no key has")
    return key


def checked_base_url(text: str, variable: str) -> httpx.URL:
    """Read an address that paths are added to.

    Raises: ValueError.
    """
    try:
        base = httpx.URL(text.rstrip("/"))
    except httpx.InvalidURL:
        base = httpx.URL("")
    if base.scheme not in ("http", "https") or not base.host or base.query or base.fragment:
        raise ValueError(f"{variable} must be http(s)://host[:port][/path]")
    return base


def base_text(base_url: httpx.URL) -> str:
    """Give a base address without a slash at its end."""
    return str(base_url).rstrip("/")


def unclear(message: str, status: int | None = None) -> ProviderFault:
    """Say that the provider may have done what was asked, and nobody knows."""
    return ProviderFault(kind="transient", started="unknown", message=message, status=status)


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
