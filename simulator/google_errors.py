"""Errors in the form of Google's APIs.

Source: google.rpc.Status over JSON; AIP-193.
"""

from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from simulator.faults import Fault, FaultKind
from simulator.intake import RETRY_SECONDS

_RPC = "type.googleapis.com/google.rpc"
WRONG_KEY = "invalid"
_STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}


class GoogleError(Exception):
    """An answer other than 200."""

    def __init__(self, http_status: int, message: str, *details: dict[str, Any]) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.message = message
        self.details = details

    def answer(self) -> JSONResponse:
        """Return the HTTP answer."""
        error: dict[str, Any] = {
            "code": self.http_status,
            "message": self.message,
            "status": _STATUS_OF_HTTP[self.http_status],
        }
        if self.details:
            error["details"] = list(self.details)
        return JSONResponse({"error": error}, self.http_status)


async def answer_google_error(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose route raised a `GoogleError`."""
    assert isinstance(error, GoogleError)
    return error.answer()


def fault_answer(fault: Fault) -> Response:
    """Return the answer that a fault gives to a submission in place of the usual one."""
    match fault.kind:
        case FaultKind.ERROR_429:
            seconds = RETRY_SECONDS if fault.seconds is None else fault.seconds
            error = exhausted(seconds)
        case FaultKind.REFUSE_400:
            error = invalid_argument("Your use case is currently not supported.")
        case FaultKind.HANG:
            error = GoogleError(504, "The request did not finish in time.")
        case _:
            error = GoogleError(500, "An internal error has occurred.")
    return error.answer()


async def unknown(request: Request) -> Response:
    """Answer what no provider of Google's knows."""
    raise not_found(f"{request.method} {request.url.path}")


def invalid_argument(message: str) -> GoogleError:
    """Return the answer to a request that can never succeed."""
    return GoogleError(400, message)


def not_found(what: str) -> GoogleError:
    """Return the answer to a request for something unknown."""
    return GoogleError(404, f"{what} is not found, or is not supported for this method.")


def check_key(request: Request) -> None:
    """Let a request with any API key but the word `invalid` pass.

    Raises: GoogleError: 403 without a key, 400 with a wrong one, as the real API does.
    """
    key = api_key(request)
    if not key:
        raise GoogleError(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
        )
    if key == WRONG_KEY:
        raise key_not_valid("generativelanguage.googleapis.com")


def api_key(request: Request) -> str | None:
    """Return the API key of a request, from its header or its query."""
    return request.headers.get("x-goog-api-key") or request.query_params.get("key")


def key_not_valid(service: str) -> GoogleError:
    """Return the answer to a request with a key that nobody was given."""
    return GoogleError(
        400,
        "API key not valid. Please pass a valid API key.",
        {
            "@type": f"{_RPC}.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": service},
        },
    )


def exhausted(retry_seconds: float) -> GoogleError:
    """Return the answer to a request beyond the quota."""
    return GoogleError(
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        {"@type": f"{_RPC}.RetryInfo", "retryDelay": f"{retry_seconds:g}s"},
    )
