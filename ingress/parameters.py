"""Reads what stands in a query: every parameter known, sent once, and within its bounds."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

from starlette.requests import Request

from ingress.problems import FieldFault, shown

# RFC 3339 with an offset: without one a time would mean another moment in another place.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_TIME_REMEDY = "send a time such as 2026-03-01T00:00:00Z, a + in it written as %2B"


def check_names(request: Request, known: Collection[str], faults: list[FieldFault]) -> None:
    """Add to `faults` every parameter that is not known."""
    remedy = f"leave it out; known: {', '.join(known)}"
    faults += [
        FieldFault(shown(name), "is not a known parameter", remedy)
        for name in request.query_params
        if name not in known
    ]


def single(request: Request, name: str, faults: list[FieldFault]) -> str | None:
    """Read a parameter that may be sent once; None if it was not sent."""
    sent = request.query_params.getlist(name)
    if len(sent) > 1:
        faults.append(FieldFault(name, f"is sent {len(sent)} times", "send it once"))
    return sent[0] if sent else None


def whole_number(
    request: Request, name: str, faults: list[FieldFault], *, default: int, least: int, most: int
) -> int:
    """Read a whole number within bounds."""
    text = single(request, name, faults)
    if text is None:
        return default
    # ASCII digits: `int` would take other alphabets' digits, signs and underscores too.
    whole = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    number = int(text) if whole else least - 1
    if not least <= number <= most:
        remedy = f"send a whole number from {least} to {most}"
        faults.append(FieldFault(name, f"{shown(text)!r} is not allowed", remedy))
        return default
    return number


def moment(request: Request, name: str, faults: list[FieldFault]) -> datetime | None:
    """Read a time, in UTC; None if it was not sent."""
    text = single(request, name, faults)
    if text is None:
        return None
    if _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            # No such day or hour, or before the year 1 once it is in UTC.
            pass
    faults.append(FieldFault(name, f"{shown(text)!r} is no RFC 3339 time", _TIME_REMEDY))
    return None
