"""The whole of Tapeworks on this machine: services, simulator, and each of our processes.

What runs where is decided here once; the command line, the tests and the benchmarks start it alike.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.ports import LOOPBACK, PortBook
from devstack.processes import ManagedProcess
from devstack.services import Services
from devstack.state import StateFolder
from devstack.supervisor import Supervisor
from projections.migrate import migrate
from runtime.database import open_pool
from runtime.settings import Settings
from runtime.topics import ensure_topics

WORKER_KINDS = ("ledger", "generation", "projections")
MODULE_BY_PROCESS = {
    "simulator": "simulator",
    "ledger": "processors.ledger_main",
    "generation": "processors.generation_main",
    "projections": "projections",
    "ingress": "ingress",
}
OUR_PREFIX = "TAPEWORKS_"
HTTP_PORT = 8000
SIMULATOR_PORT = 8090
# 2 s: the simulator does not mind, and a newcomer does not wait.
SIMULATOR_POLL_INTERVAL_SECONDS = "2"
GENERATION_SECONDS = 5.0
# 40 s: a worker that takes over waits for the session of one that was killed (10 s) and more.
READY_WITHIN_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class SystemOptions:
    """What may differ from one system to the next.

    Units: `generation_seconds` is how long the simulator takes for a video. With `plain_videos` it
    draws no prompt into them, which under load is most of its work. With `fixed_ports` the
    ports of the documentation are taken where they are free; without, any free ones.
    """

    workers: Mapping[str, int] = field(default_factory=dict)
    generation_seconds: float = GENERATION_SECONDS
    plain_videos: bool = False
    fixed_ports: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)


class TapeSystem:
    """One system below one state folder."""

    def __init__(self, state: StateFolder, options: SystemOptions | None = None) -> None:
        self.state = state
        self.options = options or SystemOptions()
        self.variables: dict[str, str] = {}
        self._ports = PortBook(state.ports)
        self._secrets = _Secrets(state.path / "secrets.json")

    async def start(self, supervisor: Supervisor) -> None:
        """Start everything in order and wait until each part serves.

        Raises: StartError with the log of what did not start; TopicError for topics of another
        partition count.
        """
        self.state.create()
        services = Services(self.state, free_ports=not self.options.fixed_ports)
        self.variables = self._variables(services.environment())
        # The simulator needs none of the services, and the broker takes longest.
        await supervisor.start_stages(services.processes, [self._process("simulator")])
        settings = Settings.model_validate({**os.environ, **self.variables})
        await ensure_topics(settings)
        pool = await open_pool(settings)
        try:
            await migrate(pool)
        finally:
            await pool.close()
        await supervisor.start_stages(self._workers(), [self._process("ingress")])

    def _variables(self, services: Mapping[str, str]) -> dict[str, str]:
        http_port = self._port("ingress", HTTP_PORT)
        simulator_url = f"http://{LOOPBACK}:{self._port('simulator', SIMULATOR_PORT)}"
        url = f"http://{LOOPBACK}:{http_port}"
        defaults = {
            "GOOGLE_AI_API_KEY": self._secrets.get("provider_key"),
            "GOOGLE_AI_BASE_URL": simulator_url,
            "VERTEX_AI_API_KEY": self._secrets.get("provider_key"),
            "VERTEX_AI_BASE_URL": simulator_url,
            "VERTEX_AI_STORAGE_URL": simulator_url,
            "FAL_KEY": self._secrets.get("provider_key"),
            "FAL_QUEUE_BASE_URL": simulator_url,
            "TAPEWORKS_POLL_INTERVAL_SECONDS": SIMULATOR_POLL_INTERVAL_SECONDS,
            "TAPEWORKS_MEDIA_SIGNING_KEY": self._secrets.get("media_signing_key"),
            "TAPE_ADMIN_KEY": self._secrets.get("admin_key", prefix="tw_"),
        }
        chosen = {name: os.environ.get(name, value) for name, value in defaults.items()}
        # Whoever joins later, such as `tape verify`, must go by the limits that the processes have.
        ours = {name: text for name, text in os.environ.items() if name.startswith(OUR_PREFIX)}
        return {
            **ours,
            **chosen,
            **services,
            "TAPEWORKS_HTTP_PORT": str(http_port),
            "TAPEWORKS_PUBLIC_URL": url,
            "TAPE_URL": url,
            "TAPE_SIMULATOR_URL": simulator_url,
            **self.options.environment,
        }

    def _port(self, name: str, preferred: int | None = None) -> int:
        return self._ports.port(name, preferred if self.options.fixed_ports else None)

    def _workers(self) -> list[ManagedProcess]:
        return [
            self._worker(kind, number)
            for kind in WORKER_KINDS
            for number in range(1, self.options.workers.get(kind, 1) + 1)
        ]

    def _worker(self, kind: str, number: int) -> ManagedProcess:
        name = kind if number == 1 else f"{kind}-{number}"
        port = self._port(name)
        own = {"TAPEWORKS_PROBE_PORT": str(port), "TAPEWORKS_INSTANCE_ID": name}
        return self._managed(name, kind, own, port, "/readyz")

    def _process(self, name: str) -> ManagedProcess:
        if name == "simulator":
            port = self._port("simulator", SIMULATOR_PORT)
            return self._managed(name, name, {}, port, "/healthz")
        port = int(self.variables["TAPEWORKS_HTTP_PORT"])
        return self._managed(name, name, {}, port, "/readyz", hand_down=True)

    def _managed(
        self,
        name: str,
        kind: str,
        extra: Mapping[str, str],
        port: int,
        probe: str,
        *,
        hand_down: bool = False,
    ) -> ManagedProcess:
        address = f"http://{LOOPBACK}:{port}"
        argv = [sys.executable, "-m", MODULE_BY_PROCESS[kind]]
        if kind == "simulator":
            argv += ["--host", LOOPBACK, "--port", str(port)]
            argv += ["--generation-seconds", str(self.options.generation_seconds)]
            argv += ["--plain-videos"] * self.options.plain_videos
            argv += ["--state", str(self.state.path / "simulator")]
        return ManagedProcess(
            name,
            argv,
            state=self.state,
            env={**os.environ, **self.variables, **extra},
            ready=address + probe,
            address=address,
            ports=[port],
            listens_on=port if hand_down else None,
            ready_within_seconds=READY_WITHIN_SECONDS,
        )


class _Secrets:
    """Random values of this system, made at the first start and kept for this user alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str, prefix: str = "") -> str:
        """Give a secret, the same at every start."""
        known: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}
        if name not in known:
            known[name] = prefix + secrets.token_urlsafe(32)
            self._path.touch(mode=0o600)
            self._path.write_text(json.dumps(known, indent=2) + "\n")
        return known[name]
