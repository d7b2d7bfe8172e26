"""The simulator's app: providers that do not bill, in the wire formats of the real ones.

A further provider is one module with a `register(app, studio)` like that of `veo.py`, and one line
in `PROVIDERS`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from simulator import fal, veo, vertex
from simulator.control import answer_bad_switch, control_routes
from simulator.google_errors import GoogleError, answer_google_error, unknown
from simulator.studio import Studio

GENERATION_SECONDS = 5.0
PROVIDERS: dict[str, Callable[[FastAPI, Studio], None]] = {
    veo.PROVIDER: veo.register,
    vertex.PROVIDER: vertex.register,
    fal.PROVIDER: fal.register,
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(
    *,
    generation_seconds: float = GENERATION_SECONDS,
    seed: int = 0,
    state: Path | None = None,
    plain_videos: bool = False,
) -> FastAPI:
    """Return the app. Serve it with `simulator.server`, which can also cut connections.

    `seed`: of the dice behind faults with a rate. `state`: a folder to remember submissions and
    operations in, for the next process; without it they end with this one. `plain_videos`: do not
    draw the words into the videos, which is what most of the simulator's time goes into.
    """
    studio = Studio(
        generation_seconds=generation_seconds, seed=seed, state=state, plain_videos=plain_videos
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        studio.close()

    app = FastAPI(title="Tapeworks simulator", lifespan=lifespan)
    app.add_api_route("/healthz", healthz, methods=["GET"])
    app.include_router(control_routes(studio, tuple(PROVIDERS)))
    app.add_exception_handler(RequestValidationError, answer_bad_switch)
    app.add_exception_handler(ClientDisconnect, answer_nobody)
    for register in PROVIDERS.values():
        register(app, studio)
    # Last, as the first route that fits is taken: whatever else is asked under Google's versions.
    for version in sorted({*veo.VERSIONS, *vertex.VERSIONS}):
        path = f"{version}/{{path:path}}"
        app.add_api_route(path, unknown, methods=METHODS, include_in_schema=False)
    app.add_exception_handler(GoogleError, answer_google_error)
    return app


async def healthz() -> dict[str, str]:
    """Answer once the app is ready."""
    return {"status": "ok"}


async def answer_nobody(_: Request, __: Exception) -> Response:
    """End a request whose client left before it was complete; it is no submission."""
    return Response(status_code=400)
