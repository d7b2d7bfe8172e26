"""Ports of this machine's loopback: find a free one, and keep it for the next start."""

import json
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import DevstackError

LOOPBACK = "127.0.0.1"
# Below the range from which Linux (32768+) and macOS (49152+) take the ports of outgoing
# connections, so that nobody is given ours between the choice and the listening.
FIRST_PORT = 20_000
AFTER_LAST_PORT = 32_000
TRIES = 200


def is_free(port: int) -> bool:
    """Tell whether a server could listen on a loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of a former server that still linger are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """Return a loopback port nobody listens on, and none of those already promised."""
    for _ in range(TRIES):
        port = random.randrange(FIRST_PORT, AFTER_LAST_PORT)  # noqa: S311  a port is no secret
        if port not in taken and is_free(port):
            return port
    raise OSError(f"No free port on {LOOPBACK} in {TRIES} tries")


class PortBook:
    """Give each name of one state directory a port, the same one at each start if it is free."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def port(self, name: str, preferred: int | None = None) -> int:
        """Return the port of a name: the saved one, else the preferred, else any free one.

        Guarantee: the answer was free at the moment of asking and is saved.
        """
        saved = self._load()
        others = frozenset(port for owner, port in saved.items() if owner != name)
        for port in (saved.get(name), preferred):
            if port is not None and port not in others and is_free(port):
                break
        else:
            port = free_port(others)
        self._save({**saved, name: port})
        return port

    def saved(self, name: str) -> int:
        """Return the port a name got at the latest start, free or not.

        Raises: DevstackError when it never got one.
        """
        try:
            return self._load()[name]
        except KeyError as error:
            raise DevstackError(
                f"{name} has never been started: {self._path} has no port"
            ) from error

    def _load(self) -> dict[str, int]:
        if not self._path.exists():
            return {}
        ports: dict[str, int] = json.loads(self._path.read_text())
        return ports

    def _save(self, ports: Mapping[str, int]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps(ports, indent=2) + "\n")
        draft.replace(self._path)  # whole or not at all, also when killed here
