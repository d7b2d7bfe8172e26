"""A worker's own small HTTP server: /healthz, /readyz, /metrics.

It runs in a thread, so that it answers while the event loop is busy, and says so.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

# 5 s: a probe that sends nothing is cut off.
REQUEST_TIMEOUT_SECONDS = 5.0
Readiness = Callable[[], Mapping[str, bool]]


class _ProbeServer(ThreadingHTTPServer):
    daemon_threads = True
    readiness: Readiness


class _Probe(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS
    server: _ProbeServer

    def do_GET(self) -> None:
        """Answer one probe."""
        if self.path == "/healthz":
            self._answer(HTTPStatus.OK, b'{"status": "alive"}')
        elif self.path == "/readyz":
            parts = self.server.readiness()
            status = HTTPStatus.OK if all(parts.values()) else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, json.dumps(dict(parts)).encode())
        elif self.path == "/metrics":
            self._answer(HTTPStatus.OK, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b'{"status": "no such probe"}')

    def _answer(
        self, status: HTTPStatus, body: bytes, content_type: str = "application/json"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's own name
        """Say nothing: a probe comes every second."""


def start_probes(host: str, port: int, readiness: Readiness) -> _ProbeServer:
    """Serve the probes until the process ends.

    Raises: OSError if the port is taken.
    """
    server = _ProbeServer((host, port), _Probe)
    server.readiness = readiness
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    return server
