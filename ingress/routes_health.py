"""`/healthz`, `/readyz`, `/metrics`: for whoever runs this process. No key needed, no secrets."""

import json
import os

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from ingress.services import services_of

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def healthz() -> Response:
    """Say that the process is alive."""
    return Response(b'{"status": "alive"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Say part by part whether this process can do all of its work; 503 if not."""
    parts = await services_of(request).readiness()
    status = 200 if all(parts.values()) else 503
    # Two processes may share a port while one replaces the other.
    headers = {"X-Process-Id": str(os.getpid())}
    return Response(json.dumps(parts), status, headers, media_type="application/json")


@router.get("/metrics")
async def metrics() -> Response:
    """Give this process's metrics in Prometheus's format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
