"""What the routes of one app share, put together once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from ingress.auth import Authenticator
from ingress.cursors import Cursors
from ingress.decisions import KafkaDecisions
from ingress.desk import Desk
from ingress.pace import Pace
from ingress.ports import Decisions, Publisher, ReadModel
from ingress.publisher import KafkaPublisher
from ingress.read_model import PostgresReadModel
from ingress.wait import Barrier
from runtime.clock import Clock, monotonic_seconds, utc_now
from runtime.links import MediaLinks
from runtime.objects import MediaStore, open_media_store
from runtime.settings import Settings

# 1 s: a probe's own patience.
REACHABLE_SECONDS_MAX = 1.0
READY_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Collaborators:
    """The outside world of an app."""

    publisher: Publisher
    decisions: Decisions
    read_model: ReadModel
    media: MediaStore

    @classmethod
    def real(cls, settings: Settings) -> "Collaborators":
        """Give the broker, the database and the media store that the settings name."""
        return cls(
            publisher=KafkaPublisher(settings),
            decisions=KafkaDecisions(settings),
            read_model=PostgresReadModel(settings),
            media=open_media_store(settings),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run them; whichever is away now is looked for in the background."""
        services = (self.read_model, self.decisions, self.publisher)
        try:
            for service in services:
                await service.start()
            yield
        finally:
            closing = (*(service.close() for service in services), self.media.close())
            await asyncio.gather(*closing, return_exceptions=True)


class Services:
    """Everything that a route may ask for."""

    def __init__(
        self,
        settings: Settings,
        collaborators: Collaborators,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self.settings = settings
        self.publisher = collaborators.publisher
        self.decisions = collaborators.decisions
        self.read_model = collaborators.read_model
        self.media = collaborators.media
        self.clock = clock
        self.auth = Authenticator(settings, self.read_model, monotonic)
        self.pace = Pace(settings.orders_per_second, settings.orders_at_once, monotonic)
        self.desk = Desk(self.publisher, self.decisions, settings.decision_wait_seconds)
        self.barrier = Barrier(self.decisions, self.read_model, settings.partition_count)
        self.media_links = MediaLinks(settings)
        # The same in every process of a system, so that a cursor is good at each of them.
        secret = sha256(settings.media_signing_key.get_secret_value().encode()).digest()
        self.generation_cursors = Cursors(secret, "generations")
        self.transaction_cursors = Cursors(secret, "transactions")
        self.key_cursors = Cursors(secret, "keys")

    async def readiness(self) -> dict[str, bool]:
        """Say part by part whether this process can do all of its work."""
        try:
            async with asyncio.timeout(REACHABLE_SECONDS_MAX):
                database = await self.read_model.reachable()
        except TimeoutError:
            database = False
        return {
            "decisions": self.decisions.caught_up,
            "publisher": self.publisher.connected,
            "database": database,
        }

    async def until_ready(self) -> None:
        """Wait until every part is ready.

        Raises: TimeoutError after 30 s: the process that was to be replaced goes on.
        """
        async with asyncio.timeout(READY_SECONDS_MAX):
            while not all((await self.readiness()).values()):  # noqa: ASYNC110  parts are asked
                await asyncio.sleep(0.05)


def services_of(request: Request) -> Services:
    """Give the services of the app that a request came to."""
    services = request.app.state.services
    assert isinstance(services, Services), "the app's factory puts them there"
    return services
