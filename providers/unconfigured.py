"""Stands where a provider has no key: orders surely begin nothing, other calls may be repeated."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal

from domain.failures import ProviderFault
from providers.capabilities import CAPABILITIES, records_of
from providers.protocol import (
    CancelAnswer,
    Capabilities,
    FetchError,
    PollAnswer,
    ProviderError,
    Submission,
)
from runtime.settings import Settings


class Unconfigured:
    """The adapter of a provider that this worker was given no key for."""

    def __init__(
        self,
        name: str,
        variable: str,
        settings: Settings,
        records: Mapping[str, Capabilities] = CAPABILITIES,
    ) -> None:
        self.name = name
        self._message = f"{variable} is not set"
        self._records = records_of(name, records, settings)

    def capabilities(self, model: str) -> Capabilities:
        """Give the record of one catalogue model, with the operator's poll interval if set."""
        return self._records[model]

    async def submit(self, submission: Submission) -> str:  # noqa: ARG002  the protocol's
        """Refuse.

        Raises: ProviderError: permanent, and nothing was begun.
        """
        raise ProviderError(self._fault("permanent", "no"))

    async def poll(self, model: str, operation_id: str) -> PollAnswer:  # noqa: ARG002  the protocol's
        """Put off: the key may come back before the job's time is over.

        Raises: ProviderError: transient.
        """
        raise ProviderError(self._fault("transient", "unknown"))

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        """Do nothing: nobody could be told."""
        del model, operation_id
        return "not_offered"

    def fetch(self, source: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Refuse.

        Raises: FetchError.
        """
        return self._fetched(source)

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    def _fault(
        self, kind: Literal["transient", "permanent"], started: Literal["no", "unknown"]
    ) -> ProviderFault:
        return ProviderFault(kind=kind, started=started, message=self._message, lacks="key")

    @asynccontextmanager
    async def _fetched(self, source: str) -> AsyncIterator[AsyncIterator[bytes]]:  # noqa: ARG002  the protocol's
        raise FetchError(self._message)
        yield  # pragma: no cover  makes this a generator
