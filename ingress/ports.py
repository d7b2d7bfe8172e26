"""What the routes need from the world: small protocols, so that a test can pass its own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ingress.history import HistoryAsked
from ingress.rows import (
    AccountRow,
    GenerationRow,
    JobCostRow,
    KeyRow,
    Page,
    Role,
    TransactionRow,
)
from schemas.envelope import Envelope


class BrokerUnavailable(Exception):  # noqa: N818  a state of the world, told by its plain name
    """The log cannot be written or asked now.

    `outcome`: `nothing_sent` where that is sure; else `unknown`.
    """

    def __init__(self, text: str, outcome: str = "nothing_sent") -> None:
        super().__init__(text)
        self.outcome = outcome


class TooManyWaiting(Exception):  # noqa: N818  a state of the world, told by its plain name
    """As many calls wait for decisions as may wait at once."""


class Service(Protocol):
    """Something that runs beside the routes."""

    async def start(self) -> None:
        """Begin; returns at once, whether or not the other side is there."""
        ...

    async def close(self) -> None:
        """End, within a few seconds."""
        ...


class Publisher(Service, Protocol):
    """Writes requests to the log."""

    @property
    def connected(self) -> bool:
        """Whether a publish would be tried now."""
        ...

    async def publish(self, envelope: Envelope) -> None:
        """Write one request and return when every replica has it.

        Raises: BrokerUnavailable within 1.5 s.
        Guarantee: after an error nothing more is sent for this request.
        """
        ...


class Decision(Protocol):
    """A decision that may still be on its way."""

    def done(self) -> bool:
        """Whether it is there."""
        ...

    async def within(self, seconds: float) -> Envelope | None:
        """Wait for it at most so long; None if it did not come."""
        ...


class Decisions(Service, Protocol):
    """Sees the ledger's decisions as they are committed."""

    @property
    def caught_up(self) -> bool:
        """Whether it has read to the end of the ledger's log within the last seconds."""
        ...

    def expect(self, event_id: str) -> AbstractContextManager[Decision]:
        """Look out for the ledger event that `event_id` causes.

        Raises: TooManyWaiting.
        """
        ...

    def ledger_end(self, partition: int) -> int:
        """Give the offset after the last ledger event seen; 0 before the first."""
        ...

    async def requests_end(self, partition: int) -> int:
        """Ask the broker for the end of a partition of `requests` as of now.

        Raises: BrokerUnavailable within 1 s.
        """
        ...


class Generations(Protocol):
    """The jobs. Every method raises DatabaseUnavailable within 2 s when Postgres is away."""

    async def generation(self, account_id: str, job_id: str) -> GenerationRow | None:
        """Find an account's job; the job it repeats where it is a repeat."""
        ...

    async def generations(self, account_id: str, asked: HistoryAsked) -> Page[GenerationRow]:
        """List an account's jobs without repeats, newest first."""
        ...

    async def active_generations(
        self, account_id: str, job_ids: Sequence[str]
    ) -> list[GenerationRow]:
        """Find some of an account's jobs, newest first."""
        ...

    async def job_cost(self, job_id: str) -> JobCostRow | None:
        """Find what any account's job cost; the job it repeats where it is a repeat."""
        ...

    async def offsets(self, partition: int) -> dict[str, int]:
        """Say how far each topic's partition has been applied, by topic without namespace."""
        ...


class Credits(Protocol):
    """The credits. Every method raises DatabaseUnavailable within 2 s when Postgres is away."""

    async def account(self, account_id: str) -> AccountRow:
        """Give an account's credits; all zero if nobody ever granted any."""
        ...

    async def transactions(
        self, account_id: str, limit: int, before: int | None
    ) -> Page[TransactionRow]:
        """List an account's movements, newest first, those below the sequence `before`."""
        ...


class Keys(Protocol):
    """The API keys. Every method raises DatabaseUnavailable within 2 s when Postgres is away."""

    async def key(self, key_sha256: bytes) -> KeyRow | None:
        """Find a key that is not revoked."""
        ...

    async def add_key(self, key_sha256: bytes, account_id: str, role: Role) -> KeyRow:
        """Store a new key."""
        ...

    async def keys(self, limit: int, before: tuple[datetime, UUID] | None) -> Page[KeyRow]:
        """List all keys, newest first, after the row `before`."""
        ...

    async def revoke_key(self, key_id: str) -> bytes | None:
        """Revoke a key; give its hash, None if there is none."""
        ...


class ReadModel(Service, Generations, Credits, Keys, Protocol):
    """Everything that is read from Postgres."""

    async def reachable(self) -> bool:
        """Say within 2 s whether Postgres answers."""
        ...
