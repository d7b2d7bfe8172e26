"""A running system whose four links each lead through a proxy."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import httpx

from devstack.http_probe import NO_TLS
from devstack.ports import LOOPBACK, PortBook
from devstack.services import KAFKA_ADVERTISED_VARIABLE, POSTGRES_ADVERTISED_VARIABLE
from devstack.state import StateFolder
from tests.chaos.proxy import Proxy, Toxic
from tests.running import RunningSystem, running_system

Link = Literal["clients", "kafka", "postgres", "provider"]
LINKS: tuple[Link, ...] = get_args(Link)
# Whose port each link leads to.
_TARGETS: Mapping[Link, str] = {
    "clients": "ingress",
    "kafka": "kafka",
    "postgres": "postgres",
    "provider": "simulator",
}
_PROVIDER_VARIABLES = (
    *("GOOGLE_AI_BASE_URL", "VERTEX_AI_BASE_URL", "VERTEX_AI_STORAGE_URL", "FAL_QUEUE_BASE_URL"),
)
CALL_SECONDS_MAX = 5.0


class ProxyThread:
    """Runs proxies beside a test that blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._proxies: list[Proxy] = []
        self._thread.start()

    def add(self, target_port: int) -> Proxy:
        proxy = Proxy(target_port)
        self._call(proxy.start())
        self._proxies.append(proxy)
        return proxy

    def set(self, proxy: Proxy, toxic: Toxic | None) -> None:
        self._call(proxy.set(toxic))

    def close(self) -> None:
        for proxy in self._proxies:
            self._call(proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS_MAX)
        self._loop.close()

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS_MAX)


@dataclass(frozen=True)
class LinkedSystem:
    """A running system with the proxies of its links."""

    system: RunningSystem
    thread: ProxyThread
    proxies: Mapping[Link, Proxy]

    @contextmanager
    def spoiled(self, link: Link, toxic: Toxic) -> Iterator[None]:
        """Spoil one link for the time of the block."""
        self.thread.set(self.proxies[link], toxic)
        try:
            yield
        finally:
            self.thread.set(self.proxies[link], None)

    def client(self, api_key: str, patience_seconds: float) -> httpx.Client:
        """Give a client on the far side of its link."""
        return httpx.Client(
            base_url=f"http://{LOOPBACK}:{self.proxies['clients'].port}",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=patience_seconds,
            verify=NO_TLS,
        )

    def ready(self) -> dict[str, bool]:
        """Say of each process whether it is ready, asked behind the proxies."""
        book = PortBook(StateFolder(self.system.state_dir).ports)
        names = ("ingress", "ledger", "generation", "projections")
        return {name: _answers(f"http://{LOOPBACK}:{book.saved(name)}/readyz") for name in names}


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=CALL_SECONDS_MAX, verify=NO_TLS).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def linked_system(
    state_dir: Path, *arguments: str, extra: Mapping[str, str] | None = None
) -> Iterator[LinkedSystem]:
    """Start a system and its proxies; ports are chosen first, for each must know the other's."""
    book = PortBook(StateFolder(state_dir).ports)
    thread = ProxyThread()
    try:
        proxies = {link: thread.add(book.port(_TARGETS[link])) for link in LINKS}
        provider_url = f"http://{LOOPBACK}:{proxies['provider'].port}"
        variables = {
            KAFKA_ADVERTISED_VARIABLE: str(proxies["kafka"].port),
            POSTGRES_ADVERTISED_VARIABLE: str(proxies["postgres"].port),
            **dict.fromkeys(_PROVIDER_VARIABLES, provider_url),
            **(extra or {}),
        }
        with running_system(state_dir, *arguments, extra=variables) as system:
            yield LinkedSystem(system, thread, proxies)
    finally:
        thread.close()
