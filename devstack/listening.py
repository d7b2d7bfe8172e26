"""A port that is opened here and handed down, so that one process can replace another there."""

import socket

from devstack.ports import LOOPBACK

# What a process that is handed a listening socket is told: its number, and that another still
# accepts there.
LISTEN_VARIABLE = "TAPEWORKS_HTTP_LISTEN_FD"
REPLACES_VARIABLE = "TAPEWORKS_LISTEN_WHEN_READY"
LISTEN_BACKLOG = 2048  # as uvicorn's own


def listening_socket(port: int) -> socket.socket:
    """Open a port of the loopback for whoever is handed the socket."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((LOOPBACK, port))
    listening.listen(LISTEN_BACKLOG)
    return listening
