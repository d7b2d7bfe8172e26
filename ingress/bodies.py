"""Reads request bodies once, within limits, as strict JSON. What they mean is not known here."""

import asyncio
import json
from email.message import Message
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from ingress.problems import FieldFault, ProblemError, invalid

# 1 MiB: the broker's own limit for a record; a request of 1,024 tokens needs some 300 KiB at most.
BODY_BYTES_MAX = 1_048_576
# 10 s: 1 MiB at 100 KiB/s; a client that sends slower than that holds a connection for nothing.
BODY_SECONDS_MAX = 10.0


async def json_object(request: Request) -> dict[str, Any]:
    """Read the body as one JSON object.

    Raises: ProblemError, one of UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, BODY_INCOMPLETE, BAD_JSON,
    INVALID_REQUEST.
    """
    _check_type(request)
    content = parse_json(await _read(request))
    if not isinstance(content, dict):
        raise invalid(FieldFault("body", "is not an object", "send one JSON object"))
    return content


def parse_json(body: bytes) -> object:
    """Parse strict JSON: UTF-8, no repeated names, no NaN, no depth that breaks the parser.

    Raises: ProblemError BAD_JSON.
    """
    try:
        return json.loads(
            body.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise ProblemError("BAD_JSON", f"Not UTF-8 at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError("BAD_JSON", f"{error.msg} at {where}.") from error
    except RecursionError as error:
        raise ProblemError("BAD_JSON", "Nested too deeply.") from error
    except ValueError as error:
        # An integer of more digits than Python reads.
        raise ProblemError("BAD_JSON", "A number is too long.") from error


def _check_type(request: Request) -> None:
    if not _is_json(request.headers.get("content-type", "")):
        raise ProblemError("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8.")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise ProblemError("UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed.")


def _is_json(content_type: str) -> bool:
    if content_type == "application/json":
        return True
    header = Message()
    header["content-type"] = content_type
    charset = header.get_content_charset("utf-8")
    return header.get_content_type() == "application/json" and charset in {"utf-8", "utf8"}


async def _read(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise _too_large()
    except (TimeoutError, ClientDisconnect) as error:
        raise ProblemError("BODY_INCOMPLETE", f"{len(body)} bytes came.") from error
    return bytes(body)


def _too_large() -> ProblemError:
    # The rest of the body is never read, so the connection is of no further use.
    headers = {"Connection": "close"}
    return ProblemError("BODY_TOO_LARGE", f"More than {BODY_BYTES_MAX} bytes.", headers=headers)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ProblemError("BAD_JSON", "An object has the same name twice.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ProblemError("BAD_JSON", f"{name} is not JSON.")
