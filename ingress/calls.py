"""One HTTP call: its id, when it came, and what was learned of it for the log."""

import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from uuid import uuid4

from starlette.requests import Request
from starlette.types import Scope

from ingress.spellings import GENERATIONS, Spelling, spelling_of
from runtime.clock import monotonic_seconds

SCOPE_KEY = "tapeworks.call"
# 1.6 s from its arrival: what a call may wait in all for broker and database before it is refused,
# so that a refusal leaves within 2 s however many waits it went through, on a busy machine, too.
WAITS_SECONDS_MAX = 1.6
# W3C Trace Context, version 00 and those after it that keep its first four parts.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


@dataclass(slots=True)
class Call:
    """What one call carries through every layer.

    Units: `arrived_at` in seconds of the monotonic clock.
    """

    request_id: str = field(default_factory=lambda: str(uuid4()))
    arrived_at: float = field(default_factory=monotonic_seconds)
    account_id: str | None = None
    job_id: str | None = None
    problem_code: str | None = None
    spelling: Spelling = GENERATIONS


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def begin_call(scope: Scope) -> Call:
    """Make the call of a scope that has just arrived."""
    call = Call(spelling=spelling_of(scope["path"]))
    scope[SCOPE_KEY] = call
    _current.set(call)
    return call


def within_call(seconds_max: float) -> float:
    """Give the seconds that one wait may take: what the call under way has left, if that is less.

    Guarantee: never below 0; outside of a call it is `seconds_max`.
    """
    call = _current.get()
    if call is None:
        return seconds_max
    left = call.arrived_at + WAITS_SECONDS_MAX - monotonic_seconds()
    return max(0.0, min(seconds_max, left))


def call_of(request: Request) -> Call:
    """Give the call that a request belongs to."""
    call = request.scope[SCOPE_KEY]
    assert isinstance(call, Call), "the call middleware stands before every route"
    return call


def traceparent_of(request: Request) -> str | None:
    """Give the caller's trace context if it is a valid one.

    Source: W3C Trace Context, section 3.2: an invalid header is ignored.
    """
    text = request.headers.get("traceparent", "")
    return text if _TRACEPARENT.fullmatch(text) else None
