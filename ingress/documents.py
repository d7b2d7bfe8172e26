"""What the API's documentation says beside what FastAPI finds by itself."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from domain.catalogue import CATALOGUE
from ingress.cursors import LIMIT_DEFAULT, LIMIT_MAX
from ingress.history import OFFSET_MAX, STATUSES
from ingress.validation import KEY_CHARACTERS_MAX, KEY_HEADER

BODY_ERRORS = (400, 413, 415, 422)
TAGS = [
    {"name": "generations", "description": "Ask for videos, follow them, cancel them, list them."},
    {"name": "media", "description": "Links to finished videos, and the files behind them."},
    {"name": "credits", "description": "What an account has and what can be bought."},
    {
        "name": "tasks",
        "description": "The same generations under other names: `taskId`, `negativePrompt`, and "
        "errors as `error`, `message`, `retryable`, `suggestedAction`.",
    },
    {
        "name": "video jobs",
        "description": "The same generations under other names: `job_id`, `model_id`, `settings`, "
        "and a UUID as `Idempotency-Key` with every POST.",
    },
    {"name": "admin", "description": "Keys and grants; for keys with the role admin."},
    {"name": "operation", "description": "Whether the process lives and serves; its metrics."},
]
DESCRIPTION = """Video generation on slow, paid providers: every step is an event on the log.

`POST /v1/generations` answers once the ledger has reserved the credits. Make a new
`Idempotency-Key` (such as a UUID) for each generation and send the same one with every retry: a
repeat is answered as the first was, with `X-Idempotent-Replay: true`, and never charged again.

Follow a job by its status: ask after 5 s, then every 10 s, then every 20 s. It goes on whether or
not anybody asks.

`/api` and `/functions/v1` are other names for the same jobs: what is asked for at one is seen at
all of them.
"""


def body(kind: type[BaseModel]) -> dict[str, Any]:
    """Describe a JSON body that the route reads by itself."""
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def header_key(*, required: bool = False) -> dict[str, Any]:
    """Describe the Idempotency-Key header; where it is required, it is a UUID."""
    schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX}
    return {
        "name": KEY_HEADER,
        "in": "header",
        "required": required,
        "description": "Names the request; repeats with it are charged once.",
        "schema": {"type": "string", "format": "uuid"} if required else schema,
    }


def page_parameters() -> dict[str, Any]:
    """Describe the parameters of a list."""
    return {"parameters": _PAGE}


def history_parameters() -> dict[str, Any]:
    """Describe the parameters of a history with filters."""
    statuses = {"type": "array", "items": {"type": "string", "enum": list(STATUSES)}}
    time = {"type": "string", "format": "date-time"}
    several = _parameter("status", statuses, "One or several, separated by commas.")
    filters = [
        {**several, "style": "form", "explode": False},
        _parameter("model", {"type": "string", "enum": list(CATALOGUE)}, "Of this model alone."),
        _parameter("created_from", time, "Created at this time or later."),
        _parameter("created_to", time, "Created before this time."),
    ]
    return {"parameters": [*filters, *_PAGE]}


def counted_parameters() -> dict[str, Any]:
    """Describe the parameters of a history that may be paged by number."""
    number = {"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0}
    return {"parameters": [*_PAGE, _parameter("offset", number, "Tasks to leave out; no cursor.")]}


def job_parameter(name: str) -> dict[str, Any]:
    """Describe the parameter that names a job."""
    described = _parameter(name, {"type": "string", "format": "uuid"}, "The id of the job.")
    return {"parameters": [{**described, "required": True}]}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


_PAGE = [
    _parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        "Rows on a page.",
    ),
    _parameter("cursor", {"type": "string"}, "The next cursor that the page before gave."),
]


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
            if path.startswith(("/v1/", "/api/", "/functions/")) and not path.startswith(
                "/v1/media/"
            ):
                for operation in operations.values():
                    operation["security"] = [{"bearer": []}, {"header": []}]
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend it
