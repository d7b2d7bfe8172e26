"""What fal's queue says, as types; typed by status and code, never by words.

Pure: no connection, no key, no settings.
Source: fal's queue API as fal-client 1.0.3 sends and reads it; fal's tables of model and request
errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import httpx
import msgspec

from domain.failures import Lack, ProviderFault
from domain.safety import UNSPECIFIED
from providers.http_calls import Answer, NotUnderstoodError, retry_seconds
from providers.protocol import (
    QUEUE_POSITION_MAX,
    SOURCE_CHARACTERS_MAX,
    VIDEO_ID_CHARACTERS_MAX,
    Finished,
    Refused,
    Running,
)

CONTENT_POLICY = "content_policy_violation"
# 200 characters: fal's ids are UUIDs of 36; it becomes part of a URL.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_Verdict = tuple[
    Literal["rejected", "transient", "permanent"],
    Literal["no", "unknown"],
]
_SUBMISSION_VERDICTS: Mapping[int, _Verdict] = {
    400: ("rejected", "no"),
    408: ("transient", "no"),
    422: ("rejected", "no"),
    429: ("transient", "no"),
    499: ("transient", "unknown"),
    503: ("transient", "no"),
}
# What a status says of our own account there; a locked account and an empty purse are both 403.
_LACKS: Mapping[int, Lack] = {
    401: "key",
    402: "billing",
    403: "billing",
    404: "model",
    405: "address",
    429: "quota",
}
_ACCOUNT_STATUSES = frozenset({401, 402, 403})
_CLIENT_ERROR: _Verdict = ("permanent", "no")
_ANYTHING_ELSE: _Verdict = ("transient", "unknown")
# What a poll's status says of the job itself; all others say something of us or of the moment.
_POLL_ENDS = frozenset({400, 404, 410, 422})
Kind = TypeVar("Kind")


class _Submitted(msgspec.Struct):
    request_id: str


class _Status(msgspec.Struct):
    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    queue_position: int | None = None
    # A text, but of what kind is not promised: that it is there is what counts.
    error: object = None
    error_type: str | None = None


class _Video(msgspec.Struct):
    url: str


class _Result(msgspec.Struct):
    video: _Video
    # S2-27: Sora's answers have it, Veo's do not. It decides nothing, so no other form of it is
    # a fault.
    video_id: object = None


class _Detail(msgspec.Struct):
    type: str = ""


class _ModelError(msgspec.Struct):
    detail: list[_Detail]


class _Words(msgspec.Struct):
    detail: str


class _RequestError(msgspec.Struct):
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class Completed:
    """The request is over, well or not; its result says more."""

    failed: bool
    error_type: str | None


def submitted_request(answer: Answer) -> str:
    """Read the id of the request that a submission queued.

    Raises: NotUnderstoodError.
    """
    request_id = _decoded(answer, _Submitted).request_id
    if not _REQUEST_ID.fullmatch(request_id):
        raise NotUnderstoodError("the answer names no request that could be asked for")
    return request_id


def request_status(answer: Answer) -> Running | Completed:
    """Read where a request stands.

    Raises: NotUnderstoodError.
    """
    status = _decoded(answer, _Status)
    match status.status:
        case "IN_QUEUE":
            return Running("queued", queue_position=_position(status.queue_position))
        case "IN_PROGRESS":
            return Running("running")
        case "COMPLETED":
            return Completed(bool(status.error or status.error_type), status.error_type)


def result(answer: Answer, completed: Completed) -> Finished | Refused | ProviderFault:
    """Read how a completed request ended; its failure may stand in the status, the result or both.

    Raises: NotUnderstoodError.
    """
    model_errors = _model_errors(answer)
    code = completed.error_type or next(iter(model_errors), None) or _request_error(answer)
    if CONTENT_POLICY in {completed.error_type, *model_errors}:
        # The code alone: the words beside it may repeat the prompt.
        return Refused((CONTENT_POLICY,))
    if completed.failed or model_errors:
        return ProviderFault(
            kind="permanent",
            started="unknown",
            message=f"the request failed: {code or 'without a reason'}",
            status=None if httpx.codes.is_success(answer.status) else answer.status,
            code=code,
        )
    if not httpx.codes.is_success(answer.status):
        return poll_fault(answer)
    read = _decoded(answer, _Result)
    url, video_id = read.video.url, read.video_id
    if not 1 <= len(url) <= SOURCE_CHARACTERS_MAX:
        raise NotUnderstoodError(f"the video's address has {len(url)} characters")
    named = isinstance(video_id, str) and 1 <= len(video_id) <= VIDEO_ID_CHARACTERS_MAX
    return Finished(url, str(video_id) if named else None)


def _position(told: int | None) -> int | None:
    return told if told is not None and 0 <= told <= QUEUE_POSITION_MAX else None


def submission_fault(answer: Answer) -> ProviderFault:
    """Say what an answer other than success means for a submission.

    Guarantee: `started` is `no` only for statuses by which the queue surely took nothing.
    """
    others = _CLIENT_ERROR if httpx.codes.is_client_error(answer.status) else _ANYTHING_ELSE
    kind, started = _SUBMISSION_VERDICTS.get(answer.status, others)
    if answer.status == httpx.codes.SERVICE_UNAVAILABLE and "x-fal-request-id" in answer.headers:
        # Behind the gate: the request has an id, and may be queued under it.
        started = "unknown"
    return _fault(answer, kind, started, _LACKS.get(answer.status))


def poll_fault(answer: Answer) -> ProviderFault:
    """Say what an answer other than success means for a poll.

    A refused key or an empty purse says nothing of the job: it is asked again (S0-44).
    """
    ended = answer.status in _POLL_ENDS
    lacks = None if ended else _LACKS.get(answer.status)
    return _fault(answer, "permanent" if ended else "transient", "unknown", lacks)


def retry_after_seconds(answer: Answer) -> float | None:
    """Read how long fal wants to be left alone."""
    return retry_seconds([answer.headers.get("retry-after", "")])


def _fault(
    answer: Answer,
    kind: Literal["rejected", "transient", "permanent"],
    started: Literal["no", "unknown"],
    lacks: Lack | None,
) -> ProviderFault:
    model_errors = _model_errors(answer)
    code = next(iter(model_errors), None) or _request_error(answer)
    said = _account_words(answer) or code or "without a code"
    return ProviderFault(
        kind=kind,
        started=started,
        message=f"HTTP {answer.status}: {said}",
        status=answer.status,
        code=code,
        lacks=lacks,
        safety_category=UNSPECIFIED if CONTENT_POLICY in model_errors else None,
    )


def _account_words(answer: Answer) -> str | None:
    """Read what fal says of our account: a key, a lock, an empty purse.

    Of other answers no words are kept: they may repeat the prompt.
    """
    read = _maybe(answer, _Words) if answer.status in _ACCOUNT_STATUSES else None
    return read.detail if read else None


def _model_errors(answer: Answer) -> list[str]:
    """Read the types of a model's own errors; none where the answer holds none."""
    read = _maybe(answer, _ModelError)
    return [detail.type for detail in read.detail if detail.type] if read else []


def _request_error(answer: Answer) -> str | None:
    read = _maybe(answer, _RequestError)
    header: str | None = answer.headers.get("x-fal-error-type")
    return (read.error_type if read else None) or header or None


def _maybe(answer: Answer, kind: type[Kind]) -> Kind | None:
    try:
        return _decoded(answer, kind)
    except NotUnderstoodError:
        return None


def _decoded(answer: Answer, kind: type[Kind]) -> Kind:
    if answer.body is None:
        raise NotUnderstoodError("the answer was too large, encoded or broke off")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Without the parser's words, which may repeat the answer.
        raise NotUnderstoodError("the answer is not the JSON that was promised") from None
