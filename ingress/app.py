"""The ingress as an ASGI app: routes, one error shape, and what runs beside them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ingress import (
    routes_admin,
    routes_admin_credits,
    routes_credits,
    routes_generations,
    routes_health,
    routes_media,
    routes_tasks,
    routes_video_jobs,
)
from ingress.calls import call_of
from ingress.documents import DESCRIPTION, TAGS, describe_keys
from ingress.middleware import CallMiddleware
from ingress.ports import BrokerUnavailable, TooManyWaiting
from ingress.problems import ProblemError, answer_problem, framework_problem, problem_answer
from ingress.services import Collaborators, Services
from ingress.straight import StraightRoutes
from ingress.wait import ReadModelBehind
from runtime.clock import Clock, monotonic_seconds, utc_now
from runtime.database import DatabaseUnavailable
from runtime.settings import Settings

# What the world's states become where a route has nothing more exact to say.
_PROBLEM_BY_STATE: dict[type[Exception], tuple[str, str]] = {
    DatabaseUnavailable: ("DATABASE_UNAVAILABLE", "The database cannot be reached."),
    BrokerUnavailable: ("BROKER_UNAVAILABLE", "The event log cannot be reached."),
    ReadModelBehind: ("READ_MODEL_BEHIND", "What is on the log is not visible here yet."),
    TooManyWaiting: ("OVERLOADED", "Too many requests wait for a decision."),
}


def create_app(
    settings: Settings,
    collaborators: Collaborators | None = None,
    clock: Clock = utc_now,
    monotonic: Callable[[], float] = monotonic_seconds,
) -> FastAPI:
    """Make the app; with `collaborators` of its own, a test needs no broker and no database.

    Raises: ValueError if no key to sign links with is set.
    """
    world = collaborators or Collaborators.real(settings)
    services = Services(settings, world, clock, monotonic)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with world.running():
            if settings.listen_when_ready:
                await services.until_ready()
            yield

    app = FastAPI(
        title="Tapeworks",
        version=version("tapeworks"),
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.services = services
    for routes in (
        routes_generations,
        routes_media,
        routes_credits,
        routes_tasks,
        routes_video_jobs,
        routes_admin,
        routes_admin_credits,
        routes_health,
    ):
        app.include_router(routes.router)
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(HTTPException, _answer_refusal)
    for state, (code, detail) in _PROBLEM_BY_STATE.items():
        app.add_exception_handler(state, _answering(code, detail))
    straight = [
        route
        for route in routes_generations.router.routes
        if isinstance(route, APIRoute) and route.endpoint is routes_generations.create_generation
    ]
    app.add_middleware(StraightRoutes, routes=straight, error_answers=app.exception_handlers)
    # Added last, so it stands around the other.
    app.add_middleware(CallMiddleware)
    describe_keys(app)
    return app


def _answering(code: str, detail: str) -> Callable[[Request, Exception], Response]:
    def answered(request: Request, _: Exception) -> Response:
        return problem_answer(ProblemError(code, detail), call_of(request))

    return answered


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for this type alone"
    problem = framework_problem(error.status_code, str(error.detail), error.headers)
    return problem_answer(problem, call_of(request))
