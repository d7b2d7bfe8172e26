"""Google Veo through the Gemini API: submit, poll, download.

Source: the wire of google-genai 2.34.0; `tests/simulator/test_google_sdk.py` runs it against this.
"""

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from simulator.google_errors import (
    GoogleError,
    check_key,
    fault_answer,
    invalid_argument,
    not_found,
)
from simulator.intake import read_document, take_in
from simulator.operations import Operation, OperationState
from simulator.studio import Studio
from simulator.veo_request import prompt_of, read_order

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


def register(app: FastAPI, studio: Studio) -> None:
    """Add the routes of Veo to the app, under both versions of the API."""
    veo = Veo(studio)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/models/{model}:predictLongRunning", veo.submit, methods=["POST"])
    router.add_api_route("/models/{model}/operations/{operation_id}", veo.poll, methods=["GET"])
    router.add_api_route("/files/{file_id}:download", veo.download, methods=["GET"])
    for version in VERSIONS:
        app.include_router(router, prefix=version)


class Veo:
    """The three requests of a generation."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def submit(self, request: Request, model: str) -> Response:
        """Start a generation, or fail in the way that the next fault says."""
        document = await read_document(request)
        ticket = self._studio.receive(PROVIDER, model, prompt_of(document))
        try:
            check_key(request)
            if model not in MODELS:
                raise not_found(f"models/{model}")
            order = read_order(model, document)
        except GoogleError as error:
            self._studio.refuse(ticket, error.http_status)
            raise
        return await take_in(
            self._studio, request, ticket, order, accepted=_accepted, fault_answer=fault_answer
        )

    async def poll(self, request: Request, model: str, operation_id: str) -> Response:
        """Tell how far a generation is."""
        check_key(request)
        operation = self._studio.operations.find(PROVIDER, operation_id)
        if operation is None or operation.model != model:
            raise not_found(f"Operation models/{model}/operations/{operation_id}")
        answer: dict[str, object] = {"name": _name(operation)}
        state = self._studio.operations.poll(operation)
        if state is OperationState.DONE:
            samples = [{"video": {"uri": _file_url(id_)}} for id_ in operation.file_ids]
            answer |= _done({"generatedSamples": samples})
        elif state is OperationState.FILTERED:
            answer |= _done(filtered(operation))
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


def _accepted(operation: Operation) -> Response:
    return JSONResponse({"name": _name(operation)})


def filtered(operation: Operation) -> dict[str, object]:
    """Return what stands in place of the videos that Google's filter withheld."""
    return {
        "raiMediaFilteredCount": len(operation.file_ids),
        "raiMediaFilteredReasons": [FILTERED_REASON],
    }


def _name(operation: Operation) -> str:
    return f"models/{operation.model}/operations/{operation.operation_id}"


def _file_url(file_id: str) -> str:
    return f"{FILES_URL}/{file_id}:download?alt=media"


def _done(result: dict[str, object]) -> dict[str, object]:
    return {
        "done": True,
        "response": {"@type": RESPONSE_TYPE, "generateVideoResponse": result},
    }
