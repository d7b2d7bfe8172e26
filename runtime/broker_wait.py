"""Lets a worker wait for a broker that is away, before it starts."""

import socket
import time

from aiokafka.conn import collect_hosts

from runtime.logs import logger

log = logger(__name__)
# 20 s: a broker that was killed is back in less. A worker that ended instead would take a second of
# processor time for each new start, which the broker needs for its own.
WAIT_SECONDS_MAX = 20.0
LOOK_EVERY_SECONDS = 0.1
CONNECT_SECONDS_MAX = 1.0


def wait_for_broker(bootstrap_servers: str, within_seconds: float = WAIT_SECONDS_MAX) -> bool:
    """Return True once any of the brokers takes a connection; False if none does in time.

    Not for an event loop: it blocks. SIGTERM ends a process that waits here as any other.
    """
    addresses = [(host, port) for host, port, _ in collect_hosts(bootstrap_servers)]
    until = time.monotonic() + within_seconds
    waiting = False
    while not any(_connects(address) for address in addresses):
        if time.monotonic() >= until:
            return False
        if not waiting:
            log.warning("waits_for_broker", servers=bootstrap_servers, seconds=within_seconds)
            waiting = True
        time.sleep(LOOK_EVERY_SECONDS)
    return True


def _connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, CONNECT_SECONDS_MAX).close()
    except OSError:
        return False
    return True
