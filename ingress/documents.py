"""What the API's documentation says beside what FastAPI finds by itself."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from ingress.cursors import LIMIT_DEFAULT, LIMIT_MAX
from ingress.validation import KEY_CHARACTERS_MAX, KEY_HEADER

BODY_ERRORS = (400, 413, 415, 422)
DESCRIPTION = """Video generation on slow, paid providers: every step is an event on the log.

`POST /v1/generations` answers once the ledger has reserved the credits. Make a new
`Idempotency-Key` (such as a UUID) for each generation and send the same one with every retry: a
repeat is answered as the first was, with `X-Idempotent-Replay: true`, and never charged again."""


def body(kind: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body that the route reads by itself."""
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def header_key() -> dict[str, Any]:
    """Describe the Idempotency-Key header."""
    return {
        "name": KEY_HEADER,
        "in": "header",
        "required": False,
        "description": "Names the request; repeats with it are charged once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX},
    }


def page_parameters() -> dict[str, Any]:
    """Describe the parameters of a list."""
    limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
    return {
        "parameters": [
            {"name": "limit", "in": "query", "required": False, "schema": limit},
            {
                "name": "cursor",
                "in": "query",
                "required": False,
                "description": "`next_cursor` of the page before.",
                "schema": {"type": "string"},
            },
        ]
    }


def describe_keys(app: FastAPI) -> None:
    """Say how a key is sent, for every route but those that need none."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        schema = plain()
        schema.setdefault("components", {})["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for path, operations in schema["paths"].items():
            if path.startswith(("/v1/", "/api/")) and not path.startswith("/v1/media/"):
                for operation in operations.values():
                    operation["security"] = [{"bearer": []}, {"header": []}]
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it
