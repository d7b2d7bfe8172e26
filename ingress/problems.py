"""Every error answer, in one shape.

No text here or in any problem may hold a key, a signature or a prompt.
Source: RFC 9457, S0-84, C08.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ingress.calls import Call, call_of
from ingress.problem_kinds import KINDS

CONTENT_TYPE = "application/problem+json"
SHOWN_CHARACTERS_MAX = 60
_TYPE_PREFIX = "urn:tapeworks:problem:"


_CODE_BY_STATUS = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "BODY_TOO_LARGE"}


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One thing that is wrong with a request: where, what, and what would be right."""

    field: str
    problem: str
    remedy: str

    def as_json(self) -> dict[str, str]:
        """Give the members that the answer shows."""
        return {"field": self.field, "problem": self.problem, "remedy": self.remedy}


class ProblemError(Exception):
    """Ends a call with an error answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        details: Mapping[str, object] | None = None,
        errors: Sequence[FieldFault] = (),
        headers: Mapping[str, str] | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.details = dict(details or {})
        self.errors = errors
        self.headers = dict(headers or {})
        self.retryable = KINDS[code].retryable if retryable is None else retryable


def invalid(*faults: FieldFault) -> ProblemError:
    """Say that a request cannot be taken as it is, and why, field by field."""
    named = ", ".join(dict.fromkeys(fault.field for fault in faults))
    return ProblemError("INVALID_REQUEST", f"Not valid: {named}.", errors=faults)


def problem_answer(problem: ProblemError, call: Call) -> Response:
    """Write a problem as its answer.

    Source: RFC 9457; `instance` names this very call, as the header X-Request-Id does.
    """
    kind = KINDS[problem.code]
    call.problem_code = problem.code
    body: dict[str, object] = {
        "type": _TYPE_PREFIX + problem.code.lower().replace("_", "-"),
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{call.request_id}",
        "code": problem.code,
        "retryable": problem.retryable,
        "suggested_action": kind.suggested_action,
        "details": problem.details,
    }
    if problem.errors:
        body["errors"] = [fault.as_json() for fault in problem.errors]
    headers = dict(problem.headers)
    if kind.retry_after_seconds is not None:
        headers["Retry-After"] = str(kind.retry_after_seconds)
    if problem.code == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = "Bearer"
    spelled = call.spelling.problem(body)
    # A caller's lone surrogates are no UTF-8; they are shown as question marks.
    content = json.dumps(spelled, ensure_ascii=False).encode(errors="replace")
    return Response(content, kind.status, headers, call.spelling.content_type)


def framework_problem(status: int, detail: str, headers: Mapping[str, str] | None) -> ProblemError:
    """Give the problem for what the framework itself refuses."""
    code = _CODE_BY_STATUS.get(status, "INTERNAL" if status >= 500 else "INVALID_REQUEST")  # noqa: PLR2004  HTTP's own boundary
    return ProblemError(code, detail, headers=headers)


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer a ProblemError; the form that the framework calls."""
    assert isinstance(error, ProblemError), "registered for this type alone"
    return problem_answer(error, call_of(request))


def shown(value: object) -> str:
    """Give a sent value as an answer may repeat it."""
    text = str(value)
    cut = text[:SHOWN_CHARACTERS_MAX]
    return cut + "..." if len(text) > SHOWN_CHARACTERS_MAX else cut
