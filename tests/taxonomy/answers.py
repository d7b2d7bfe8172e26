"""Answers that the simulator gives on no switch of its own, in each provider's own form."""

from collections.abc import Callable, Mapping
from typing import Literal

from fastapi import Response
from fastapi.responses import JSONResponse

from simulator.fal_errors import FalError, content_refused
from simulator.google_errors import GoogleError, exhausted, invalid_argument, not_found

Meaning = Literal[
    "busy",
    "failed_work",
    "forbidden",
    "invalid_work",
    "key",
    "missing",
    "quota",
    "quota_work",
    "silence",
    "unreadable",
    "unsafe_order",
]
Answers = Mapping[Meaning, Callable[[], Response]]
# The support code of violence, in Google's list.
UNSAFE = "The prompt could not be submitted. Support codes: 61493863"


def _operation_error(code: int, message: str) -> Response:
    return JSONResponse({"done": True, "error": {"code": code, "message": message}})


GOOGLE: Answers = {
    "busy": lambda: Response(status_code=503),
    "failed_work": lambda: _operation_error(13, "An internal error has occurred."),
    "forbidden": lambda: GoogleError(403, "Permission denied on the resource.").answer(),
    "invalid_work": lambda: _operation_error(3, "The request is invalid."),
    "key": lambda: GoogleError(401, "Request had invalid authentication credentials.").answer(),
    "missing": lambda: not_found("What was asked for").answer(),
    "quota": lambda: exhausted(0).answer(),
    "quota_work": lambda: _operation_error(8, "Resource has been exhausted."),
    "unreadable": lambda: Response(b"<html>", media_type="text/html"),
    "unsafe_order": lambda: invalid_argument(UNSAFE).answer(),
}
FAL: Answers = {
    "busy": lambda: Response(status_code=503),
    "failed_work": lambda: JSONResponse(
        {"status": "COMPLETED", "error": "It failed.", "error_type": "internal_server_error"}
    ),
    "forbidden": lambda: FalError(403, "User is locked. Reason: Exhausted balance.").answer(),
    "key": lambda: FalError(401, "No user found for Key ID and Secret.").answer(),
    "missing": lambda: FalError(404, "Not found.").answer(),
    "quota": lambda: FalError(429, "Too many requests.", "concurrent_requests_limit").answer(),
    "unreadable": lambda: Response(b"<html>", media_type="text/html"),
    "unsafe_order": lambda: content_refused("a lighthouse"),
}
ANSWERS: Mapping[str, Answers] = {"google": GOOGLE, "vertex": GOOGLE, "fal": FAL}
