"""Google Veo through the Gemini API: submit, poll, download.

Source: the wire of google-genai 2.34.0; `tests/simulator/test_google_sdk.py` runs it against this.
"""

from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from simulator.faults import Fault, FaultKind
from simulator.google_errors import (
    GoogleError,
    answer_google_error,
    check_key,
    exhausted,
    invalid_argument,
    not_found,
)
from simulator.operations import Operation, OperationState
from simulator.server import BodyTooLargeError, bounded_body, cut_connection, hold
from simulator.studio import Studio, Ticket
from simulator.veo_request import VeoOrder, prompt_of, read_document, read_order

PROVIDER = "google"
VERSIONS = ("/v1", "/v1beta")
MODELS = frozenset(
    {
        "veo-3.1-generate-preview",
        "veo-3.1-fast-generate-preview",
        "veo-3.1-lite-generate-preview",
    }
)
# Whatever address serves this: the SDK reads a file's id only from an https address of this form,
# and then asks its own base address for it.
FILES_URL = "https://generativelanguage.googleapis.com/v1beta/files"
RESPONSE_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
FILTERED_REASON = (
    "Sorry, we can't create this video because the prompt may go against our usage guidelines. "
    "You have not been charged for this attempt. Please change the prompt and try again."
)
HANG_SECONDS = 60.0  # longer than a client should wait for the answer to a submission
RETRY_SECONDS = 1.0  # what a 429 asks for if the fault does not say


def register(app: FastAPI, studio: Studio) -> None:
    """Add the routes of Veo to the app, under both versions of the API."""
    veo = Veo(studio)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/models/{model}:predictLongRunning", veo.submit, methods=["POST"])
    router.add_api_route("/models/{model}/operations/{operation_id}", veo.poll, methods=["GET"])
    router.add_api_route("/files/{file_id}:download", veo.download, methods=["GET"])
    router.add_api_route("/{path:path}", unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    for version in VERSIONS:
        app.include_router(router, prefix=version)
    app.add_exception_handler(GoogleError, answer_google_error)


async def unknown(request: Request) -> Response:
    """Answer what this simulator does not know."""
    raise not_found(f"{request.method} {request.url.path}")


class Veo:
    """The three requests of a generation."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def submit(self, request: Request, model: str) -> Response:
        """Start a generation, or fail in the way that the next fault says."""
        try:
            document = read_document(await bounded_body(request))
        except BodyTooLargeError:
            document = None
        ticket = self._studio.receive(PROVIDER, model, prompt_of(document))
        try:
            check_key(request)
            if model not in MODELS:
                raise not_found(f"models/{model}")
            order = read_order(model, document)
        except GoogleError as error:
            self._studio.refuse(ticket, error.http_status)
            raise
        fault = self._studio.faults.draw(PROVIDER, order.clip.prompt)
        if fault and (refusal := _refusal(fault)):
            return await self._refused(request, ticket, fault, refusal)
        return await self._accepted(request, ticket, order, fault)

    async def poll(self, request: Request, model: str, operation_id: str) -> Response:
        """Tell how far a generation is."""
        check_key(request)
        operation = self._studio.operations.find(PROVIDER, model, operation_id)
        if operation is None:
            raise not_found(f"Operation models/{model}/operations/{operation_id}")
        answer: dict[str, object] = {"name": _name(operation)}
        match self._studio.operations.poll(operation):
            case OperationState.RUNNING:
                pass
            case OperationState.DONE:
                samples = [{"video": {"uri": _file_url(id_)}} for id_ in operation.file_ids]
                answer |= _done({"generatedSamples": samples})
            case OperationState.FILTERED:
                count = len(operation.file_ids)
                reasons = [FILTERED_REASON]
                answer |= _done(
                    {"raiMediaFilteredCount": count, "raiMediaFilteredReasons": reasons}
                )
        return JSONResponse(answer)

    async def download(self, request: Request, file_id: str) -> Response:
        """Send a generated file."""
        check_key(request)
        if request.query_params.get("alt") != "media":
            raise invalid_argument("alt: must be media to download a file.")
        download = await self._studio.files.download(file_id)
        if download is None:
            raise not_found(f"File files/{file_id}")
        return Response(download.body, media_type=download.media_type)

    async def _refused(
        self, request: Request, ticket: Ticket, fault: Fault, refusal: GoogleError
    ) -> Response:
        self._studio.refuse(ticket, refusal.http_status, fault.kind)
        if fault.kind is FaultKind.HANG:
            seconds = HANG_SECONDS if fault.seconds is None else fault.seconds
            await hold(request, seconds)
        return refusal.answer()

    async def _accepted(
        self, request: Request, ticket: Ticket, order: VeoOrder, fault: Fault | None
    ) -> Response:
        operation = self._studio.accept(
            ticket, order.clip, samples=order.samples, fault=fault, status=_status(fault)
        )
        if operation.fault is FaultKind.DROP_ANSWER:
            await cut_connection(request)
        if operation.fault is FaultKind.ERROR_AFTER_ACCEPT:
            return GoogleError(500, "An internal error has occurred.").answer()
        return JSONResponse({"name": _name(operation)})


def _refusal(fault: Fault) -> GoogleError | None:
    """Return the answer of a fault that starts nothing; None for the other kinds."""
    if fault.kind is FaultKind.ERROR_500:
        return GoogleError(500, "An internal error has occurred.")
    if fault.kind is FaultKind.ERROR_429:
        return exhausted(RETRY_SECONDS if fault.seconds is None else fault.seconds)
    if fault.kind is FaultKind.REFUSE_400:
        return invalid_argument("Your use case is currently not supported.")
    if fault.kind is FaultKind.HANG:
        return GoogleError(504, "The request did not finish in time.")
    return None


def _status(fault: Fault | None) -> int | Literal["dropped"]:
    if fault and fault.kind is FaultKind.DROP_ANSWER:
        return "dropped"
    return 500 if fault and fault.kind is FaultKind.ERROR_AFTER_ACCEPT else 200


def _name(operation: Operation) -> str:
    return f"models/{operation.model}/operations/{operation.operation_id}"


def _file_url(file_id: str) -> str:
    return f"{FILES_URL}/{file_id}:download?alt=media"


def _done(result: dict[str, object]) -> dict[str, object]:
    return {
        "done": True,
        "response": {"@type": RESPONSE_TYPE, "generateVideoResponse": result},
    }
