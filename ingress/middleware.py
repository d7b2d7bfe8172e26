"""Around every call: its id, its log line, its metrics, and an answer whatever happens.

Plain ASGI: it costs some 20 us, where Starlette's BaseHTTPMiddleware costs a task per call.
"""

import logging
import traceback
from collections.abc import Callable
from functools import cache

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingress.calls import Call, begin_call
from ingress.problems import ProblemError, problem_answer
from runtime import metrics
from runtime.clock import monotonic_seconds
from runtime.logs import logger

log = logger(__name__)
_levels = logging.getLogger(__name__)
REQUEST_ID_HEADER = b"x-request-id"
# Metrics have a row per method; a client's own words make none.
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
SERVER_ERROR = 500


class CallMiddleware:
    """Gives each call an id and sees it through to its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = begin_call(scope)
        status: int | None = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                mark = (REQUEST_ID_HEADER, call.request_id.encode())
                message["headers"] = [*message.get("headers", ()), mark]
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception as error:
            _log_fault(call, error)
            if status is not None:
                raise
            problem = ProblemError("INTERNAL", "The fault has been logged under this request id.")
            await problem_answer(problem, call)(scope, receive, send_marked)
        finally:
            _observe(scope, call, status)


def _log_fault(call: Call, error: Exception) -> None:
    # Not the error's text: a validation error repeats what it validated, such as a prompt.
    log.error(
        "http_fault",
        request_id=call.request_id,
        account=call.account_id,
        error=type(error).__name__,
        trace="".join(traceback.format_tb(error.__traceback__)),
    )


def _observe(scope: Scope, call: Call, status: int | None) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    # The template, never the path: a path may hold an id, a query a signature.
    route = getattr(scope.get("route"), "path", "none")
    seconds = monotonic_seconds() - call.arrived_at
    count_answer, observe_seconds = _instruments(method, route, status)
    count_answer()
    observe_seconds(seconds)
    quiet = method == "GET" and (status or SERVER_ERROR) < SERVER_ERROR
    # Asked first: structlog makes a whole line before the level is looked at.
    if _levels.isEnabledFor(logging.DEBUG if quiet else logging.INFO):
        (log.debug if quiet else log.info)(
            "http_answer",
            request_id=call.request_id,
            method=method,
            route=route,
            status=status,
            code=call.problem_code,
            account=call.account_id,
            job=call.job_id,
            ms=round(seconds * 1000, 1),
        )


@cache
def _instruments(
    method: str, route: str, status: int | None
) -> tuple[Callable[[], None], Callable[[float], None]]:
    """Find the metrics of one kind of answer; there are few kinds, and finding them takes time."""
    counter = metrics.http_requests.labels(method, route, str(status))
    return counter.inc, metrics.http_seconds.labels(method, route).observe
