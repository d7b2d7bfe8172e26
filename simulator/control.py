"""The simulator's own switches, under `/_control`: time, faults, and the count of submissions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from simulator.faults import SECONDS_MAX, Fault
from simulator.studio import Studio

# 64 KiB: a switch is a few short fields.
BODY_BYTES_MAX = 64 * 2**10


class Clock(BaseModel):
    """How long a generation takes, from the next submission on."""

    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(ge=0, le=SECONDS_MAX, allow_inf_nan=False)


class Removed(BaseModel):
    removed: int


def control_routes(studio: Studio, providers: Sequence[str]) -> APIRouter:
    """Return the routes of the switches."""
    control = _Control(studio, providers)
    router = APIRouter(prefix="/_control", max_body_size=BODY_BYTES_MAX)
    router.add_api_route("/clock", control.clock, methods=["GET"])
    router.add_api_route("/clock", control.set_clock, methods=["POST"])
    router.add_api_route("/faults", control.faults, methods=["GET"])
    router.add_api_route("/faults", control.arm_fault, methods=["POST"])
    router.add_api_route("/faults", control.clear_faults, methods=["DELETE"])
    router.add_api_route("/submissions", control.submissions, methods=["GET"])
    router.add_api_route("/submissions", control.clear_submissions, methods=["DELETE"])
    return router


async def answer_bad_switch(_: Request, error: Exception) -> JSONResponse:
    """Answer a switch that was set wrongly.

    Source: RFC 9457; `errors` names each field and what to do about it.
    """
    assert isinstance(error, RequestValidationError)
    errors = [_field_and_remedy(fault) for fault in error.errors()]
    problem = {
        "type": "about:blank",
        "title": "The request cannot be used as it is.",
        "status": 422,
        "detail": "; ".join(f"{each['field']}: {each['remedy']}" for each in errors),
        "errors": errors,
    }
    return JSONResponse(problem, 422, media_type="application/problem+json")


class _Control:
    def __init__(self, studio: Studio, providers: Sequence[str]) -> None:
        self._studio = studio
        self._providers = providers

    async def clock(self) -> Clock:
        return Clock(seconds=self._studio.clock.generation_seconds)

    async def set_clock(self, clock: Clock) -> Clock:
        self._studio.clock.generation_seconds = clock.seconds
        return clock

    async def faults(self) -> tuple[Fault, ...]:
        return self._studio.faults.armed()

    async def arm_fault(self, fault: Fault) -> Fault:
        if fault.provider not in self._providers:
            served = ", ".join(self._providers)
            remedy = f"is not served here; use one of: {served}"
            raise RequestValidationError([{"loc": ("body", "provider"), "msg": remedy, "type": ""}])
        self._studio.faults.arm(fault)
        return fault

    async def clear_faults(self) -> Removed:
        return Removed(removed=self._studio.faults.clear())

    async def submissions(self) -> Response:
        rows = msgspec.json.encode(list(self._studio.submissions))
        return Response(rows, media_type="application/json")

    async def clear_submissions(self) -> Removed:
        return Removed(removed=self._studio.clear_submissions())


def _field_and_remedy(error: Mapping[str, Any]) -> dict[str, str]:
    remedy = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        remedy = "is not known here; leave it out"
    # What concerns several fields names them in its text, and has no place of its own.
    field = ".".join(str(part) for part in error["loc"][1:])
    if not field and error["type"] == "value_error":
        field, _, remedy = remedy.partition(": ")
    return {"field": field or "body", "remedy": remedy}
