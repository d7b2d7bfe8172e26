"""The short way to routes that take nothing but the request and give a finished response.

FastAPI looks for dependencies, models, files and telemetry at every call of every route, a sixth of
what an accepted generation took. Its documents still describe these routes, and what they answer,
errors included, is what they would answer inside it.
"""

from collections.abc import Iterable, Mapping
from inspect import isawaitable
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class StraightRoutes:
    """Serves routes of fixed paths itself and passes every other call on."""

    def __init__(
        self, app: ASGIApp, routes: Iterable[APIRoute], error_answers: Mapping[Any, Any]
    ) -> None:
        """Take the routes, and the answers to errors by their type, as FastAPI keeps them."""
        self._app = app
        self._error_answers = error_answers
        self._routes = {
            (method, route.path): route for route in routes for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        route = None
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except Exception as error:
            response = await self._answer(request, error)
            if response is None:
                raise
        await response(scope, receive, send)

    async def _answer(self, request: Request, error: Exception) -> Response | None:
        for kind in type(error).__mro__:
            if kind in self._error_answers:
                response = self._error_answers[kind](request, error)
                answered: Response = await response if isawaitable(response) else response
                return answered
        return None
