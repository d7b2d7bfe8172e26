"""The queue of fal.ai: submit, status, result, cancel, and the host of its files.

A request is submitted to an endpoint, and then known to that endpoint's app only. The owners of the
apps in `fal_apps.py` are the first segments that this module takes; all else stays free for others.
Source: docs.fal.ai, queue API; the wire of fal-client 1.0.3, which `tests/simulator/
test_fal_client.py` runs against this.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from simulator.fal_apps import OWNERS, app_of, read_fal_order
from simulator.fal_errors import (
    CANCELLED,
    CLIENT_CLOSED,
    CONTENT_POLICY,
    FalError,
    answer_fal_error,
    check_key,
    content_refused,
    fault_answer,
    invalid_input,
)
from simulator.files import VIDEO_TYPE
from simulator.intake import read_document, take_in
from simulator.operations import Operation, OperationState
from simulator.picture import FPS
from simulator.studio import Studio, Ticket

PROVIDER = "fal"
FILES_PATH = "/files"
_ERRORS = {
    OperationState.FILTERED: ("The content was flagged by a content checker.", CONTENT_POLICY),
    OperationState.CANCELLED: ("The request was cancelled by the client.", CANCELLED),
}
_CANCEL_ANSWERS = {
    OperationState.QUEUED: ("OK", 200),
    OperationState.RUNNING: ("CANCELLATION_REQUESTED", 202),
}


def register(app: FastAPI, studio: Studio) -> None:
    """Add the routes of the queue, and of its files, to the app."""
    fal = Fal(studio)
    for owner in sorted(OWNERS):
        router = APIRouter(prefix=f"/{owner}/{{app}}", include_in_schema=False)
        request = "/requests/{request_id}"
        router.add_api_route(f"{request}/status", fal.status, methods=["GET"])
        router.add_api_route(request, fal.result, methods=["GET"])
        router.add_api_route(f"{request}/cancel", fal.cancel, methods=["PUT"])
        router.add_api_route("", fal.submit, methods=["POST"])
        router.add_api_route("/{subpath:path}", fal.submit, methods=["POST"])
        app.include_router(router)
    app.add_api_route(
        f"{FILES_PATH}/{{file_id}}/output.mp4",
        fal.download,
        methods=["GET"],
        include_in_schema=False,
    )
    app.add_exception_handler(FalError, answer_fal_error)


class Fal:
    """The requests of a generation."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def submit(self, request: Request) -> Response:
        """Queue a generation, or fail in the way that the next fault says."""
        document = await read_document(request)
        endpoint = request.url.path.strip("/")
        prompt = document.get("prompt") if isinstance(document, dict) else None
        known_prompt = prompt if isinstance(prompt, str) else None
        ticket = self._studio.receive(PROVIDER, endpoint, known_prompt)
        try:
            check_key(request)
            order = read_fal_order(endpoint, document)
        except FalError as error:
            return self._refused(ticket, error.answer())
        except ValidationError as error:
            return self._refused(ticket, invalid_input(error))
        accepted = partial(self._accepted, request)
        return await take_in(
            self._studio, request, ticket, order, accepted=accepted, fault_answer=fault_answer
        )

    async def status(self, request: Request, request_id: str) -> Response:
        """Tell how far a request is; failed or not, in the end it is COMPLETED."""
        operation = self._known(request, request_id)
        state = self._studio.operations.poll(operation)
        if state is OperationState.QUEUED:
            position = self._studio.operations.queue_position(operation)
            return self._stand(request, operation, "IN_QUEUE", queue_position=position)
        wants_logs = request.query_params.get("logs", "").lower() in {"1", "true"}
        logs = _logs(operation, state) if wants_logs else None
        if state is OperationState.RUNNING:
            return self._stand(request, operation, "IN_PROGRESS", logs=logs)
        seconds = operation.generation_seconds - operation.queue_seconds
        more: dict[str, Any] = {"logs": logs, "metrics": {"inference_time": seconds}}
        if state in _ERRORS:
            more["error"], more["error_type"] = _ERRORS[state]
        return self._stand(request, operation, "COMPLETED", **more)

    async def result(self, request: Request, request_id: str) -> Response:
        """Send what came of a request."""
        operation = self._known(request, request_id)
        match self._studio.operations.state(operation):
            case OperationState.QUEUED | OperationState.RUNNING:
                answer = FalError(400, "Request is still in progress.", "bad_request").answer()
            case OperationState.FILTERED:
                answer = content_refused(operation.clip.prompt)
            case OperationState.CANCELLED:
                answer = FalError(CLIENT_CLOSED, *_ERRORS[OperationState.CANCELLED]).answer()
            case OperationState.DONE:
                answer = JSONResponse(_output(request, operation))
        answer.headers["x-fal-request-id"] = request_id
        return answer

    async def cancel(self, request: Request, request_id: str) -> Response:
        """Take a request out of the queue, or stop it; both end it at once."""
        try:
            operation = self._known(request, request_id)
        except FalError as error:
            if error.http_status != 404:  # noqa: PLR2004  what is unknown has a status of its own here
                raise
            return JSONResponse({"status": "NOT_FOUND"}, 404)
        state = self._studio.cancel(operation)
        status, http_status = _CANCEL_ANSWERS.get(state, ("ALREADY_COMPLETED", 400))
        return JSONResponse({"status": status}, http_status)

    async def download(self, file_id: str) -> Response:
        """Send a generated file; whoever knows its address may have it."""
        download = await self._studio.files.download(file_id)
        if download is None:
            return Response("404 Not Found", 404, media_type="text/plain")
        return Response(download.body, media_type=download.media_type)

    def _refused(self, ticket: Ticket, answer: Response) -> Response:
        self._studio.refuse(ticket, answer.status_code)
        return answer

    def _known(self, request: Request, request_id: str) -> Operation:
        """Return a request that the app in this path knows.

        Raises: FalError, 401 or 404.
        """
        check_key(request)
        operation = self._studio.operations.find(PROVIDER, request_id)
        app = app_of(request.url.path.strip("/"))
        if operation is None or app_of(operation.model) != app:
            raise FalError(404, "Request not found.")
        return operation

    def _accepted(self, request: Request, operation: Operation) -> Response:
        position = self._studio.operations.queue_position(operation)
        answer = self._stand(request, operation, "IN_QUEUE", queue_position=position)
        answer.status_code = 200
        return answer

    def _stand(
        self,
        request: Request,
        operation: Operation,
        status: str,
        **more: Any,  # noqa: ANN401  any JSON
    ) -> JSONResponse:
        request_id = operation.operation_id
        url = f"{_origin(request)}/{app_of(operation.model)}/requests/{request_id}"
        body = {
            "status": status,
            "request_id": request_id,
            "gateway_request_id": request_id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
        }
        http_status = 200 if status == "COMPLETED" else 202
        headers = {"x-fal-request-id": request_id}
        return JSONResponse(body | more, http_status, headers=headers)


def _origin(request: Request) -> str:
    """Return scheme, host and port as the client named them."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _output(request: Request, operation: Operation) -> dict[str, object]:
    clip = operation.clip
    (file_id,) = operation.file_ids
    video = {
        "url": f"{_origin(request)}{FILES_PATH}/{file_id}/output.mp4",
        "content_type": VIDEO_TYPE,
        "file_name": "output.mp4",
        "width": clip.width,
        "height": clip.height,
        "fps": float(FPS),
        "duration": float(clip.duration_seconds),
    }
    return {"video": video, "video_id": f"video_{file_id}"}


def _logs(operation: Operation, state: OperationState) -> list[dict[str, str]]:
    """Return what the runner wrote so far; a cancelled one leaves nothing."""
    if state is OperationState.CANCELLED:
        return []
    accepted_at = datetime.fromtimestamp(operation.accepted_at, UTC)
    lines = [(operation.queue_seconds, "Generation started.")]
    if state is OperationState.DONE:
        lines.append((operation.generation_seconds, "Generation finished."))
    return [
        {
            "timestamp": (accepted_at + timedelta(seconds=seconds)).isoformat(),
            "level": "INFO",
            "message": message,
            "source": "USER",
        }
        for seconds, message in lines
    ]
