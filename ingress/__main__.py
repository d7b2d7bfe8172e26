"""`python -m ingress`: serves the HTTP API until SIGTERM or SIGINT, then finishes what it began."""

import logging
import socket

import uvicorn
from starlette.types import ASGIApp

from ingress.app import create_app
from ingress.draining import Draining, DrainingServer
from runtime.garbage import collect_seldom
from runtime.logs import configure_logs, logger
from runtime.settings import Settings, settings

log = logger(__name__)
# 6 s: a call waits at most 2 s for the ledger and 2 s for the read model; the rest is downloads.
GRACEFUL_SECONDS_MAX = 6
# 65 s: longer than the 60 s of the usual load balancer, so that it never meets a closed connection.
KEEP_ALIVE_SECONDS = 65


def main() -> None:
    """Serve until told to stop."""
    current = settings()
    configure_logs("ingress", current.log_level)
    # It tells every failed attempt, some 100 a second while a broker is away; publisher and
    # decisions tell the same once.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    draining = Draining(create_app(current))
    config = server_config(draining, current)
    collect_seldom()
    log.info("ingress_starts", host=current.http_host, port=current.http_port)
    handed_down = current.http_listen_fd
    sockets = None if handed_down is None else [socket.socket(fileno=handed_down)]
    DrainingServer(config, draining).run(sockets)


def server_config(app: ASGIApp, current: Settings) -> uvicorn.Config:
    """Say how an app is served."""
    return uvicorn.Config(
        app,
        host=current.http_host,
        port=current.http_port,
        # Ours are configured already; every call has a line of its own.
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS_MAX,
    )


if __name__ == "__main__":
    main()
