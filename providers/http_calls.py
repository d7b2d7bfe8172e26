"""One HTTP call to a provider, bounded in time and size; failures told apart by what was sent.

It knows no provider and retries nothing.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from providers.protocol import FetchError, ProviderError
from runtime import metrics
from runtime.clock import monotonic_seconds

# 1 MiB: answers here hold names, states and texts, a few kB; videos come by another way.
BODY_BYTES_MAX = 1_048_576
# 10 s each for a place in the pool, the connection and TLS; the deadline of a call is longer than
# all three, so a call that never got through ends as "nothing was sent".
CONNECT_SECONDS_MAX = 10.0
# Sent with every call: a compressed answer could be any size once unpacked.
PLAIN_BYTES = {"Accept-Encoding": "identity"}
# One hour: a longer wait than a job's own limit of 15 min means no more than "not now".
RETRY_SECONDS_MAX = 3600.0
# A link that is refused, unknown or gone: it was right once, so its time is over.
_EXPIRED = frozenset({httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE})
_SECONDS = re.compile(r"(\d{1,20}(?:\.\d{1,9})?)s?", re.ASCII)
_NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status; `body` is None if it was too large, encoded or broke off."""

    status: int
    headers: httpx.Headers
    body: bytes | None


class NotSentError(Exception):
    """The call failed before a byte of the request left."""


class AnswerLostError(Exception):
    """The call failed after the request may have arrived."""


class NotUnderstoodError(Exception):
    """An answer of success that is not what the API promises."""


async def bounded_body(response: httpx.Response) -> bytes | None:
    """Read a body of 1 MiB at most; None if it is larger or encoded."""
    if encoded(response):
        return None
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            return None
    return bytes(body)


BodyReader = Callable[[httpx.Response], Awaitable[bytes | None]]


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    seconds_max: float,
    body_of: BodyReader = bounded_body,
) -> Answer:
    """Send one request and read its answer as `body_of` does.

    Units: `seconds_max` bounds the call from the pool to the last byte.
    Raises: NotSentError, AnswerLostError; the adapter makes a ProviderError of either.
    Guarantee: one request at most; no redirect is followed.
    """
    response: httpx.Response | None = None
    try:
        async with asyncio.timeout(seconds_max):
            response = await client.send(request, stream=True, follow_redirects=False)
            body = await body_of(response)
    except _NOTHING_SENT as error:
        # `from None` here and below: httpx's error holds the request, and with it the key.
        raise NotSentError(described(error)) from None
    except (httpx.HTTPError, TimeoutError) as error:
        if response is None:
            raise AnswerLostError(described(error)) from None
        body = None
    finally:
        if response is not None:
            await response.aclose()
    return Answer(response.status_code, response.headers, body)


def encoded(response: httpx.Response) -> bool:
    """Tell whether an answer is compressed although that was ruled out."""
    encoding: str = response.headers.get("content-encoding", "identity")
    return encoding.lower() != "identity"


def declared_bytes(response: httpx.Response) -> int:
    """Give the size that an answer declares; 0 if it does not, or not as a number."""
    length: str = response.headers.get("content-length", "")
    # 18 digits: more is no size, and an int of any length takes time to read.
    return int(length) if re.fullmatch(r"[0-9]{1,18}", length) else 0


def file_refused(status: int) -> FetchError:
    """Make an error of an answer that is not the file; it says whether the link's time is over."""
    return FetchError(f"the provider answered HTTP {status}", expired=status in _EXPIRED)


def retry_seconds(texts: Iterable[str]) -> float | None:
    """Read the first text that is a number of seconds; one hour at most."""
    for text in texts:
        if match := _SECONDS.fullmatch(text.strip()):
            return min(float(match[1]), RETRY_SECONDS_MAX)
    return None


def described(error: Exception) -> str:
    """Say what went wrong on the wire; never the URL, a header or a body."""
    return f"{type(error).__name__}: {error}".rstrip(": ")


@contextmanager
def counted(provider: str, call: str) -> Iterator[None]:
    """Count one call by its outcome and time it."""
    began_at = monotonic_seconds()
    outcome = "abandoned"
    try:
        yield
        outcome = "ok"
    except ProviderError as error:
        unknown = call == "submit" and error.fault.started != "no"
        outcome = "unknown" if unknown else error.fault.kind
        raise
    except FetchError:
        outcome = "failed"
        raise
    finally:
        metrics.provider_calls.labels(provider, call, outcome).inc()
        metrics.provider_seconds.labels(provider, call).observe(monotonic_seconds() - began_at)
