"""Broker, database and media store together, as the environment wishes them.

A service whose variable is set is somebody else's: it is used and never started or stopped.
"""

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from devstack.errors import DevstackError
from devstack.kafka import KAFKA, KafkaBroker, Proxied
from devstack.ports import PortBook
from devstack.postgres import POSTGRES, PostgresServer
from devstack.processes import ManagedProcess, start_together
from devstack.state import StateFolder

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "DATABASE_URL"
MEDIA_VARIABLE = "OBJECT_STORE_URL"
CONTROLLER = "kafka-controller"
KAFKA_OWN = "kafka-own"
# Where a proxy listens that stands before the service: the port that clients are told.
KAFKA_ADVERTISED_VARIABLE = "TAPE_KAFKA_ADVERTISED_PORT"
POSTGRES_ADVERTISED_VARIABLE = "TAPE_POSTGRES_ADVERTISED_PORT"
KAFKA_PORT = 9092
POSTGRES_PORT = 5432


class Services:
    """What every process of the project needs, on this machine or from elsewhere.

    Make it once nothing of an earlier run is left (inside `async with Supervisor`), since it
    chooses the ports. Used alone, `async with Services(...)` starts and stops it all.
    """

    def __init__(
        self,
        state: StateFolder,
        *,
        environ: Mapping[str, str] | None = None,
        free_ports: bool = False,
        running: bool = False,
    ) -> None:
        """Choose ports and describe what is to be started; nothing is started yet.

        With `free_ports` the well-known ports are not even tried (tests, benchmarks). With
        `running` the ports are those of a run in progress, for another process to join it.

        Raises: DevstackError when `running` and the state directory has never been started, or for
            an advertised port that is no number.
        """
        state.create()
        environ = os.environ if environ is None else environ
        book = PortBook(state.ports)

        def port(name: str, preferred: int | None = None) -> int:
            return book.saved(name) if running else book.port(name, preferred)

        names = (KAFKA_VARIABLE, DATABASE_VARIABLE, MEDIA_VARIABLE)
        given = {name: environ[name] for name in names if environ.get(name)}
        self.kafka: KafkaBroker | None = None
        self.postgres: PostgresServer | None = None
        if KAFKA_VARIABLE not in given:
            kafka_port = port(KAFKA, None if free_ports else KAFKA_PORT)
            advertised = _advertised(environ, KAFKA_ADVERTISED_VARIABLE)
            proxied = Proxied(advertised, port(KAFKA_OWN)) if advertised else None
            self.kafka = KafkaBroker(state, kafka_port, port(CONTROLLER), proxied=proxied)
            given[KAFKA_VARIABLE] = self.kafka.bootstrap_servers
        if DATABASE_VARIABLE not in given:
            postgres_port = port(POSTGRES, None if free_ports else POSTGRES_PORT)
            self.postgres = PostgresServer(
                state,
                postgres_port,
                advertised_port=_advertised(environ, POSTGRES_ADVERTISED_VARIABLE),
            )
            given[DATABASE_VARIABLE] = self.postgres.url
        self._environment = {MEDIA_VARIABLE: state.media.as_uri(), **given}

    @property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """Return what a supervisor has to start, beside each other."""
        services = (self.kafka, self.postgres)
        return tuple(service.process for service in services if service is not None)

    def environment(self) -> dict[str, str]:
        """Return the three variables for child processes; the database's holds its password."""
        return dict(self._environment)

    async def start(self) -> None:
        """Start what is ours and wait until it serves.

        Raises: StartError with the end of the log; what had started is stopped again.
        """
        await start_together(self.processes)

    async def stop(self) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _advertised(environ: Mapping[str, str], variable: str) -> int | None:
    text = environ.get(variable, "")
    if text and not text.isdigit():
        raise DevstackError(f"{variable} must be the number of a port, not {text!r}")
    return int(text) if text else None
