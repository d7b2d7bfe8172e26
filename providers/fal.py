"""Models at fal.ai through its queue: submit, status, result, cancel, fetch.

It retries nothing and decides nothing: whoever calls it knows the job.
Source: S2-21 to S2-31; docs.fal.ai, queue API.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from urllib.parse import quote

import httpx

from domain.catalogue import SORA_2_IMAGE
from providers import fal_wire as wire
from providers.capabilities import CAPABILITIES, records_of
from providers.connections import (
    Connections,
    base_text,
    checked_base_url,
    opened_key,
    origin,
)
from providers.fal_models import FAL_MODELS
from providers.http_calls import PLAIN_BYTES, Answer, counted
from providers.protocol import (
    CancelAnswer,
    Capabilities,
    FetchError,
    PollAnswer,
    Running,
    Submission,
)
from runtime.addresses import names_inside
from runtime.settings import Settings


class FalQueue:
    """The adapter of every model at fal; `records` may stand in for the real records.

    Raises: ValueError at start for a key or a base URL that cannot work; never with the key in it.
    """

    name = SORA_2_IMAGE.provider

    def __init__(
        self, settings: Settings, records: Mapping[str, Capabilities] = CAPABILITIES
    ) -> None:
        key = opened_key(settings.fal_key, "FAL_KEY", "FALAI_API_KEY")
        base = checked_base_url(settings.fal_queue_base_url, "FAL_QUEUE_BASE_URL")
        self._base_url = base_text(base)
        self._records = records_of(self.name, records, settings)
        # S2-22. Files lie on a host of their own.
        self._connections = Connections(
            base, key, settings, header="authorization", prefix="Key ", files_anywhere=True
        )

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model, with the operator's poll interval if set."""
        return self._records[model]

    async def submit(self, submission: Submission) -> str:
        """Put paid work into the queue and give the request's id.

        Raises: ProviderError, whose fault says whether work may have begun.
        Guarantee: sends one request at most; never repeats it.
        """
        model = submission.settings.model
        row, calls = FAL_MODELS[model], self._connections
        request = calls.orders.build_request(
            "POST",
            f"{self._base_url}/{row.endpoint}",
            headers=calls.headers,
            json=row.arguments(submission),
        )
        with counted(self.name, "submit"):
            seconds_max = self._records[model].submit_timeout_seconds
            answer = await calls.exchange(calls.orders, request, seconds_max)
            if not httpx.codes.is_success(answer.status):
                fault = wire.submission_fault(answer)
                raise calls.error(fault, wire.retry_after_seconds(answer))
            return calls.understood(answer, wire.submitted_request)

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        """Ask where a request stands, and for its result once it is over.

        Raises: ProviderError: `transient` to ask again, else the job has failed.
        """
        calls, path = self._connections, self._request_path(model, operation_id)
        ends_at = asyncio.get_running_loop().time() + self._records[model].poll_timeout_seconds
        with counted(self.name, "poll"):
            answer = await self._read("GET", f"{path}/status", ends_at)
            if not httpx.codes.is_success(answer.status):
                raise calls.error(wire.poll_fault(answer), wire.retry_after_seconds(answer))
            status = calls.understood(answer, wire.request_status)
            if isinstance(status, Running):
                return status
            answer = await self._read("GET", path, ends_at)
            return calls.told(calls.understood(answer, partial(wire.result, completed=status)))

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        """Take a request out of the queue; one that runs is told to stop.

        Raises: ProviderError.
        """
        path = f"{self._request_path(model, operation_id)}/cancel"
        ends_at = asyncio.get_running_loop().time() + self._records[model].poll_timeout_seconds
        with counted(self.name, "cancel"):
            answer = await self._read("PUT", path, ends_at)
            if httpx.codes.is_success(answer.status):
                return "accepted"
            if answer.status in (400, 404):  # It is over already, or gone.
                return "too_late"
            raise self._connections.error(wire.poll_fault(answer))

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a finished file as a stream of bytes.

        Raises: FetchError on any answer but the file; the caller bounds the whole by a deadline.
        Guarantee: the key is not sent; it is the queue's alone.
        """
        return self._fetched(source)

    async def close(self) -> None:
        """Close connections."""
        await self._connections.close()

    @asynccontextmanager
    async def _fetched(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        with counted(self.name, "fetch"):
            try:
                url = httpx.URL(source)
            except httpx.InvalidURL:
                raise FetchError("the video's address is no https URL") from None
            if (problem := self._objection(url)) is not None:
                raise FetchError(f"the video lies at {problem}")
            async with self._connections.file(url, self._objection, PLAIN_BYTES) as chunks:
                yield chunks

    def _objection(self, url: httpx.URL) -> str | None:
        """Ask for https on a public host; all else only at the queue itself, for a simulator.

        What a name leads to is seen when it is connected to (providers/public_network.py).
        """
        if origin(url) == origin(self._connections.base_url):
            return None
        if url.scheme != "https" or not url.host:
            return "an address without https"
        if url.port is not None or url.userinfo:
            return "an https address with a port or a user of its own"
        if names_inside(url.host):
            return "an address inside the network"
        return None

    async def _read(self, method: str, path: str, ends_at: float) -> Answer:
        calls = self._connections
        url = f"{self._base_url}/{path}"
        request = calls.reads.build_request(method, url, headers=calls.headers)
        seconds_max = ends_at - asyncio.get_running_loop().time()
        return await calls.exchange(calls.reads, request, seconds_max)

    def _request_path(self, model: str, request_id: str) -> str:
        return f"{FAL_MODELS[model].app}/requests/{quote(request_id, safe='')}"
