"""What an accepted generation is compared with: FastAPI that gives a body back, on our uvicorn."""

from typing import Any

import uvicorn
from fastapi import FastAPI

from ingress.__main__ import server_config
from runtime.settings import settings

app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/echo", status_code=202)
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body


if __name__ == "__main__":
    uvicorn.Server(server_config(app, settings())).run()
