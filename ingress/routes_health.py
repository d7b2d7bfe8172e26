"""`/healthz`, `/readyz`, `/metrics`: for whoever runs this process. No key needed, no secrets."""

import asyncio
import json

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from ingress.services import services_of

router = APIRouter(tags=["operation"])
# 1 s: a probe's own patience.
REACHABLE_SECONDS_MAX = 1.0


@router.get("/healthz")
async def healthz() -> Response:
    """Say that the process is alive."""
    return Response(b'{"status": "alive"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say part by part whether this process can do all of its work; 503 if not."""
    services = services_of(request)
    try:
        async with asyncio.timeout(REACHABLE_SECONDS_MAX):
            database = await services.read_model.reachable()
    except TimeoutError:
        database = False
    parts = {
        "decisions": services.decisions.caught_up,
        "publisher": services.publisher.connected,
        "database": database,
    }
    status = 200 if all(parts.values()) else 503
    return Response(json.dumps(parts), status, media_type="application/json")


@router.get("/metrics")
async def metrics() -> Response:
    """Give this process's metrics in Prometheus's format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
