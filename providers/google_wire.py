"""What Veo's API says and is told, as types; typed by status and code, never by words.

Pure: no connection, no key, no settings.
Source: Gemini API, `predictLongRunning` and operations, as google-genai 2.34.0 sends and reads
them; google.rpc.Status over JSON (AIP-193).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, TypeVar

import httpx
import msgspec

from domain.failures import Lack, ProviderFault
from providers.google_safety import safety_category
from providers.http_calls import Answer, NotUnderstoodError, retry_seconds
from providers.protocol import (
    OPERATION_ID_CHARACTERS_MAX,
    SOURCE_CHARACTERS_MAX,
    Finished,
    PollAnswer,
    Refused,
    Running,
    Submission,
)

# A filter names one reason per clip; ten leaves room and keeps the event small.
REASONS_MAX = 10

# Opaque, but it becomes part of a URL: one segment after the other, none of them dots alone.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[\w.~:@+-]+"
_OPERATION_ID = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_Verdict = tuple[
    Literal["rejected", "transient", "permanent"],
    Literal["no", "unknown"],
]
ResponseT = TypeVar("ResponseT")
ReadOperation = Callable[[Answer], PollAnswer | ProviderFault]
_SUBMISSION_VERDICTS: Mapping[int, _Verdict] = {
    400: ("rejected", "no"),
    408: ("transient", "no"),
    429: ("transient", "no"),
    499: ("transient", "unknown"),
    503: ("transient", "no"),
}
# What an HTTP status says of our own account there; 404 and 405 are a wrong model or address.
_LACKS: Mapping[int, Lack] = {
    401: "key",
    402: "billing",
    403: "permission",
    404: "model",
    405: "address",
    429: "quota",
}
# google.rpc.Code, as an operation's own end names it.
_INVALID_ARGUMENT = 3
_LACKS_BY_RPC_CODE: Mapping[int | None, Lack] = {7: "permission", 8: "quota", 16: "key"}
_CLIENT_ERROR: _Verdict = ("permanent", "no")
_ANYTHING_ELSE: _Verdict = ("transient", "unknown")


class _Wire(msgspec.Struct, rename="camel"):
    """A part of an answer; fields that we do not name are passed over."""


class _Video(_Wire):
    uri: str


class _Sample(_Wire):
    video: _Video


class _VideoResponse(_Wire):
    generated_samples: list[_Sample] | None = None
    rai_media_filtered_count: int | None = None
    rai_media_filtered_reasons: list[str] | None = None


class _Response(_Wire):
    generate_video_response: _VideoResponse | None = None
    # The shape of S0-41, older than the present one.
    generated_video: _Video | None = None


class _OperationError(_Wire):
    code: int | None = None
    message: str | None = None


class _InlineVideo(_Wire):
    gcs_uri: str | None = None
    bytes_base64_encoded: str | None = None


class _VertexResponse(_Wire):
    videos: list[_InlineVideo] | None = None
    rai_media_filtered_count: int | None = None
    rai_media_filtered_reasons: list[str] | None = None


class _Operation(_Wire, Generic[ResponseT]):
    name: str | None = None
    done: bool | None = None
    error: _OperationError | None = None
    response: ResponseT | None = None


class _Error(_Wire):
    status: str | None = None
    details: list[Any] | None = None


class _ErrorBody(_Wire):
    error: _Error


def submission_body(submission: Submission) -> dict[str, Any]:
    """Write the body that asks for one video."""
    settings, prompt = submission.settings, submission.prompt
    parameters: dict[str, Any] = {
        "aspectRatio": settings.aspect_ratio,
        "resolution": settings.resolution,
        "durationSeconds": settings.duration_seconds,
        "sampleCount": 1,
    }
    if prompt.negative_prompt is not None:
        parameters["negativePrompt"] = prompt.negative_prompt
    return {"instances": [{"prompt": prompt.prompt}], "parameters": parameters}


def submitted_operation(answer: Answer) -> str:
    """Read the name of the operation that a submission started.

    Raises: NotUnderstoodError.
    """
    name = _operation(answer, _Operation[Any]).name
    if not name or len(name) > OPERATION_ID_CHARACTERS_MAX or not _OPERATION_ID.fullmatch(name):
        raise NotUnderstoodError("the answer names no operation that could be asked for")
    return name


def polled_operation(answer: Answer) -> PollAnswer | ProviderFault:
    """Read how an operation of the Gemini API is going; a fault is the operation's own end.

    Raises: NotUnderstoodError.
    """
    operation = _operation(answer, _Operation[_Response])
    if (unfinished := _unfinished(operation)) is not None:
        return unfinished
    response = operation.response or _Response()
    videos = response.generate_video_response or _VideoResponse()
    found = [sample.video for sample in videos.generated_samples or ()]
    if response.generated_video is not None:
        found.append(response.generated_video)
    if found:
        return Finished(_source(found[0].uri))
    return _without_video(videos.rai_media_filtered_count, videos.rai_media_filtered_reasons)


def polled_vertex_operation(answer: Answer, operation_id: str) -> PollAnswer | ProviderFault:
    """Read how an operation of Vertex is going; an inline video has the operation as its source.

    Raises: NotUnderstoodError.
    """
    operation = _operation(answer, _Operation[_VertexResponse])
    if (unfinished := _unfinished(operation)) is not None:
        return unfinished
    response = operation.response or _VertexResponse()
    for video in response.videos or ():
        if video.gcs_uri is not None:
            return Finished(_source(video.gcs_uri))
        if video.bytes_base64_encoded is not None:
            return Finished(operation_id)
    return _without_video(response.rai_media_filtered_count, response.rai_media_filtered_reasons)


def submission_fault(answer: Answer) -> ProviderFault:
    """Say what an answer other than success means for a submission.

    Guarantee: `started` is `no` only for statuses by which the API surely began nothing.
    """
    error = _error(answer)
    others = _CLIENT_ERROR if httpx.codes.is_client_error(answer.status) else _ANYTHING_ELSE
    verdict = _SUBMISSION_VERDICTS.get(answer.status, others)
    if verdict[0] == "rejected" and (
        _key_is_refused(error) or error.status == "FAILED_PRECONDITION"
    ):
        # Our key, region or billing is wrong: no change of the prompt would help.
        verdict = _CLIENT_ERROR
    return _fault(answer, error, verdict, _lack(answer.status, error))


def poll_fault(answer: Answer) -> ProviderFault:
    """Say what an answer other than success means for a poll.

    A refused key says nothing of the job: it is asked again, and a new key finds it (S0-44).
    """
    error = _error(answer)
    gone = answer.status in (httpx.codes.NOT_FOUND, httpx.codes.GONE)
    malformed = answer.status == httpx.codes.BAD_REQUEST and not _key_is_refused(error)
    kind: Literal["permanent", "transient"] = "permanent" if gone or malformed else "transient"
    # A 404 here is about the operation, not about a model.
    return _fault(answer, error, (kind, "unknown"), None if gone else _lack(answer.status, error))


def retry_after_seconds(answer: Answer) -> float | None:
    """Read how long the provider wants to be left alone: its header, else its RetryInfo."""
    delays = _detail_texts(_error(answer), "retryDelay")
    return retry_seconds((answer.headers.get("retry-after", ""), *delays))


def _operation(answer: Answer, kind: type[_Operation[ResponseT]]) -> _Operation[ResponseT]:
    if answer.body is None:
        raise NotUnderstoodError("the answer was too large, encoded or broke off")
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Without the parser's words, which may repeat the answer.
        raise NotUnderstoodError("the answer is not the JSON of an operation") from None


def _error(answer: Answer) -> _Error:
    """Read an error body; an unreadable one says nothing, and the status stands alone."""
    try:
        # Streaming endpoints wrap the error in a list of one.
        read = msgspec.json.decode(answer.body or b"", type=_ErrorBody | list[_ErrorBody])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    bodies = read if isinstance(read, list) else [read]
    return bodies[0].error if bodies else _Error()


def _key_is_refused(error: _Error) -> bool:
    return "API_KEY_INVALID" in _detail_texts(error, "reason")


def _detail_texts(error: _Error, field: str) -> list[str]:
    """Collect one text field of the details, which are of many kinds."""
    found = [detail.get(field) for detail in error.details or () if isinstance(detail, dict)]
    return [text for text in found if isinstance(text, str) and text]


def _lack(status: int, error: _Error) -> Lack | None:
    """Say what the API misses of ours, by status and code."""
    reasons = _detail_texts(error, "reason")
    if "BILLING_DISABLED" in reasons or error.status == "FAILED_PRECONDITION":
        return "billing"
    if _key_is_refused(error):
        return "key"
    return _LACKS.get(status)


def _fault(answer: Answer, error: _Error, verdict: _Verdict, lacks: Lack | None) -> ProviderFault:
    reasons = _detail_texts(error, "reason")
    text = (answer.body or b"").decode(errors="replace").strip()
    return ProviderFault(
        kind=verdict[0],
        started=verdict[1],
        message=text or f"HTTP {answer.status} without a readable body",
        status=answer.status,
        code=next(iter(reasons), error.status or None),
        lacks=lacks,
        safety_category=safety_category([text]) if verdict[0] == "rejected" else None,
    )


def _ended(message: str, code: int | None) -> ProviderFault:
    """Read the end that an operation came to; its code is gRPC's, not HTTP's."""
    return ProviderFault(
        kind="rejected" if code == _INVALID_ARGUMENT else "permanent",
        started="unknown",
        message=message or "the operation failed without a word",
        code=None if code is None else str(code),
        lacks=_LACKS_BY_RPC_CODE.get(code),
        safety_category=safety_category([message]),
    )


def _unfinished(operation: _Operation[Any]) -> Running | ProviderFault | None:
    if operation.error is not None:
        return _ended(operation.error.message or "", operation.error.code)
    return None if operation.done else Running("running")


def _without_video(count: int | None, reasons: list[str] | None) -> Refused | ProviderFault:
    """Tell a filtered end, which Google calls a success, from one that says nothing."""
    if count or reasons:
        told = tuple((reasons or ())[:REASONS_MAX])
        return Refused(told, category=safety_category(told))
    return _ended("the operation ended with neither a video nor an error", None)


def _source(address: str) -> str:
    if not 1 <= len(address) <= SOURCE_CHARACTERS_MAX:
        raise NotUnderstoodError(f"the video's address has {len(address)} characters")
    return address
