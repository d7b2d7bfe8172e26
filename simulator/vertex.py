"""Google Veo through Vertex: submit, poll, and the bucket that a submission may name.

Without a bucket the video stands in the answer to the poll; `FileStore.inline` says how that counts
as a download.
Source: the wire of google-genai 2.34.0 with `vertexai=True`, and of Cloud Storage's JSON API;
`tests/simulator/test_vertex_sdk.py` runs the former against this.
"""

import base64
from functools import partial

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from simulator.files import VIDEO_TYPE
from simulator.google_errors import (
    WRONG_KEY,
    GoogleError,
    api_key,
    fault_answer,
    invalid_argument,
    key_not_valid,
    not_found,
)
from simulator.intake import read_document, take_in
from simulator.operations import Operation, OperationState
from simulator.studio import Studio
from simulator.veo import filtered
from simulator.veo_request import prompt_of
from simulator.vertex_request import read_vertex_order

PROVIDER = "vertex"
VERSIONS = ("/v1", "/v1beta1")
# With an API key alone, and with a project.
PLACES = ("", "/projects/{project}/locations/{location}")
MODELS = frozenset(
    {
        "veo-3.1-generate-001",
        "veo-3.1-fast-generate-001",
        "veo-3.1-lite-generate-001",
    }
)
RESPONSE_TYPE = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"


def register(app: FastAPI, studio: Studio) -> None:
    """Add the routes of Veo and of its bucket to the app."""
    vertex = Vertex(studio)
    router = APIRouter(include_in_schema=False)
    for place in PLACES:
        model = f"{place}/publishers/google/models/{{model}}"
        router.add_api_route(f"{model}:predictLongRunning", vertex.submit, methods=["POST"])
        router.add_api_route(f"{model}:fetchPredictOperation", vertex.poll, methods=["POST"])
    for version in VERSIONS:
        app.include_router(router, prefix=version)
    app.add_api_route(
        "/storage/v1/b/{bucket}/o/{path:path}",
        vertex.download,
        methods=["GET"],
        include_in_schema=False,
    )


class Vertex:
    """The three requests of a generation."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def submit(self, request: Request, model: str) -> Response:
        """Start a generation, or fail in the way that the next fault says."""
        document = await read_document(request)
        ticket = self._studio.receive(PROVIDER, model, prompt_of(document))
        try:
            check_credential(request)
            if model not in MODELS:
                raise not_found(f"Publisher model publishers/google/models/{model}")
            order = read_vertex_order(model, document)
        except GoogleError as error:
            self._studio.refuse(ticket, error.http_status)
            raise
        accepted = partial(_accepted, _resource(request))
        return await take_in(
            self._studio, request, ticket, order, accepted=accepted, fault_answer=fault_answer
        )

    async def poll(self, request: Request, model: str) -> Response:
        """Tell how far a generation is."""
        check_credential(request)
        name, operation = self._named(await read_document(request), _resource(request), model)
        answer: dict[str, object] = {"name": name}
        state = self._studio.operations.poll(operation)
        if state is OperationState.FILTERED:
            answer |= _done(filtered(operation))
        elif state is OperationState.DONE:
            videos = [
                await self._video(operation, number, file_id)
                for number, file_id in enumerate(operation.file_ids)
            ]
            answer |= _done({"raiMediaFilteredCount": 0, "videos": videos})
        return JSONResponse(answer)

    async def download(self, request: Request, bucket: str, path: str) -> Response:
        """Send a generated file from the bucket that its submission named."""
        check_credential(request)
        if request.query_params.get("alt") != "media":
            raise invalid_argument("alt: must be media to download an object.")
        *_, file_id, _ = ("", *path.split("/"))
        download = await self._studio.files.download(file_id)
        if download is None:
            raise GoogleError(404, f"No such object: {bucket}/{path}")
        return Response(download.body, media_type=download.media_type)

    def _named(self, document: object, resource: str, model: str) -> tuple[str, Operation]:
        """Return the operation that a poll's body names, which its path must name as well."""
        match document:
            case {"operationName": str(name)}:
                pass
            case _:
                raise invalid_argument("operationName: must be a string.")
        named, _, operation_id = name.rpartition("/operations/")
        if named != resource:
            raise invalid_argument(f"operationName: must begin with {resource}/operations/.")
        operation = self._studio.operations.find(PROVIDER, operation_id)
        if operation is None or operation.model != model:
            raise not_found(f"Operation {name}")
        return name, operation

    async def _video(self, operation: Operation, number: int, file_id: str) -> dict[str, str]:
        if operation.storage_uri is not None:
            uri = f"{operation.storage_uri.rstrip('/')}/{file_id}/sample_{number}.mp4"
            return {"gcsUri": uri, "mimeType": VIDEO_TYPE}
        download = await self._studio.files.inline(file_id)
        if download is None:
            raise not_found("The result of the operation")
        encoded = base64.b64encode(download.body).decode()
        return {"bytesBase64Encoded": encoded, "mimeType": download.media_type}


def check_credential(request: Request) -> None:
    """Let a request with any API key or access token but the word `invalid` pass.

    Raises: GoogleError: 401 without either or with a wrong token, 400 with a wrong key.
    """
    key = api_key(request)
    if key == WRONG_KEY:
        raise key_not_valid("aiplatform.googleapis.com")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    has_token = scheme.lower() == "bearer" and token.strip() not in {"", WRONG_KEY}
    if not key and not has_token:
        raise GoogleError(
            401,
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
            "cookie or other valid authentication credential.",
        )


def _resource(request: Request) -> str:
    """Return the model as the request's path names it, without the version and the method."""
    _, _, path = request.url.path.removeprefix("/").partition("/")
    return path.rpartition(":")[0]


def _accepted(resource: str, operation: Operation) -> Response:
    return JSONResponse({"name": f"{resource}/operations/{operation.operation_id}"})


def _done(result: dict[str, object]) -> dict[str, object]:
    return {"done": True, "response": {"@type": RESPONSE_TYPE} | result}
