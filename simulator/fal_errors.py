"""Errors in the two forms that fal has: of the request, and of the model behind it.

Source: docs.fal.ai, request errors and model errors.
"""

import math
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from simulator.faults import Fault, FaultKind
from simulator.intake import RETRY_SECONDS

WRONG_KEY = "invalid"
CONTENT_POLICY = "content_policy_violation"
CANCELLED = "client_cancelled"
# What nginx calls a request that its client closed; no RFC has the number.
CLIENT_CLOSED = 499
_ERRORS_URL = "https://docs.fal.ai/errors"


class FalError(Exception):
    """A request that fal itself refuses. `error_type` is absent where fal names none."""

    def __init__(self, http_status: int, detail: str, error_type: str | None = None) -> None:
        super().__init__(detail)
        self.http_status = http_status
        self.detail = detail
        self.error_type = error_type

    def answer(self, **headers: str) -> JSONResponse:
        """Return the HTTP answer; a header's name has underscores for its dashes."""
        body = {"detail": self.detail}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.error_type is not None:
            body["error_type"] = self.error_type
            named["x-fal-error-type"] = self.error_type
        return JSONResponse(body, self.http_status, headers=named)


async def answer_fal_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose route raised a `FalError`."""
    assert isinstance(error, FalError)
    return error.answer()


def check_key(request: Request) -> None:
    """Let a request with any key but the word `invalid` pass.

    Raises: FalError, 401.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "key" or not key.strip():
        raise FalError(401, "Authentication is required to access this application.")
    if key.strip() == WRONG_KEY:
        raise FalError(401, "No user found for Key ID and Secret.")


def fault_answer(fault: Fault) -> Response:
    """Return the answer that a fault gives to a submission in place of the usual one."""
    match fault.kind:
        case FaultKind.ERROR_429:
            seconds = RETRY_SECONDS if fault.seconds is None else fault.seconds
            error = FalError(429, "Concurrent requests limit reached.", "concurrent_requests_limit")
            # RFC 9110, 10.2.3: whole seconds.
            return error.answer(retry_after=f"{math.ceil(seconds)}", x_fal_needs_retry="1")
        case FaultKind.REFUSE_400:
            return FalError(400, "The request cannot be used as it is.", "bad_request").answer()
        case FaultKind.HANG:
            return FalError(504, "Request timed out.", "request_timeout").answer()
        case _:
            return FalError(500, "Internal server error.", "internal_error").answer()


def invalid_input(error: ValidationError) -> JSONResponse:
    """Return the answer to an input that the model does not take."""
    details = error.errors(include_url=False, include_context=True)
    for detail in details:
        detail["loc"] = ("body", *detail["loc"])
    return _model_error([detail | _more(detail["type"]) for detail in details])


def content_refused(prompt: str) -> JSONResponse:
    """Return the result of a request whose content the model would not make."""
    detail: dict[str, Any] = {
        "loc": ["body", "prompt"],
        "msg": "The content could not be processed because it contained material flagged by a "
        "content checker.",
        "type": CONTENT_POLICY,
        "ctx": {"extra_info": {"reason": "partner_validation_failed"}},
        "input": prompt,
    }
    return _model_error([detail | _more(CONTENT_POLICY)])


def _more(kind: str) -> dict[str, str]:
    return {"url": f"{_ERRORS_URL}#{kind}"}


def _model_error(details: list[Any]) -> JSONResponse:
    return JSONResponse({"detail": details}, 422, headers={"x-fal-retryable": "false"})
