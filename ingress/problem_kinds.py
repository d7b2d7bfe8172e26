"""Every code that an error answer can carry, in one table. Data, not code.

Source: S0-84 to S0-88, C08; `retryable` speaks to the user (S0-88).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What is the same for every problem with one code.

    Units: `retry_after_seconds` is the Retry-After header's value.
    """

    status: int
    title: str
    suggested_action: str
    retryable: bool = False
    retry_after_seconds: int | None = None


_SAME_KEY = "Repeat the request with the same Idempotency-Key: it can never be charged twice."

KINDS: Mapping[str, Kind] = {
    "UNAUTHENTICATED": Kind(
        401, "No valid API key", "Send a valid key as `Authorization: Bearer tw_...`."
    ),
    "FORBIDDEN": Kind(403, "Not allowed for this key", "Use a key with the role admin."),
    "ACCOUNT_MISMATCH": Kind(
        403,
        "The body names another account than the key's",
        "Send the key's own account, or leave the field out.",
    ),
    "INVALID_REQUEST": Kind(
        422, "The request is not valid", "Correct what `errors` lists and send it again."
    ),
    "BODY_TOO_LARGE": Kind(413, "The body is too large", "Send at most 1 MiB."),
    "BODY_INCOMPLETE": Kind(400, "The body did not arrive whole", "Send it again.", retryable=True),
    "BAD_JSON": Kind(400, "The body is not JSON", "Send one JSON object in UTF-8."),
    "UNSUPPORTED_MEDIA_TYPE": Kind(
        415, "The body's type is not supported", "Send `Content-Type: application/json`."
    ),
    "NOT_FOUND": Kind(404, "Nothing here", "Check the address and the id."),
    "METHOD_NOT_ALLOWED": Kind(
        405, "The method is not allowed here", "Use a method that `Allow` lists."
    ),
    "INSUFFICIENT_CREDITS": Kind(
        402, "Too few credits", "Buy credits, or ask for a shorter video."
    ),
    "TOO_MANY_ACTIVE_JOBS": Kind(
        429,
        "Too many active generations",
        "Wait for one of the active generations to finish, or cancel one.",
        retryable=True,
        retry_after_seconds=10,
    ),
    "TOO_MANY_REQUESTS": Kind(
        429,
        "Too many orders of this account at once",
        "Wait as `Retry-After` says, and repeat with the same Idempotency-Key.",
        retryable=True,
    ),
    "IDEMPOTENCY_KEY_REUSED": Kind(
        422,
        "The Idempotency-Key was used for another request",
        "Use a new key for a new request; repeat a request with the body it had.",
    ),
    "GENERATION_DISABLED": Kind(
        503,
        "Generation is switched off",
        "Try again later; jobs that are under way are finished.",
        retryable=True,
        retry_after_seconds=60,
    ),
    "UNKNOWN_MODEL": Kind(422, "No such model", "Choose one of `GET /v1/models`."),
    "UNSUPPORTED_SETTING": Kind(
        422, "The model does not offer this", "Choose one of the values in `allowed`."
    ),
    "BROKER_UNAVAILABLE": Kind(
        503, "The event log is not reachable", _SAME_KEY, retryable=True, retry_after_seconds=2
    ),
    "DATABASE_UNAVAILABLE": Kind(
        503,
        "The database is not reachable",
        "Try again shortly.",
        retryable=True,
        retry_after_seconds=2,
    ),
    "READ_MODEL_BEHIND": Kind(
        503,
        "The read model has not caught up",
        "Try again shortly: what was accepted is not lost.",
        retryable=True,
        retry_after_seconds=1,
    ),
    "OVERLOADED": Kind(
        503, "Too many requests are waiting", _SAME_KEY, retryable=True, retry_after_seconds=1
    ),
    "GENERATION_NOT_COMPLETED": Kind(
        409,
        "The generation has no video",
        "Ask again when its status is `completed`.",
        retryable=True,
    ),
    "JOB_NOT_ACTIVE": Kind(409, "The generation has ended", "An ended generation stays as it is."),
    "BALANCE_TOO_LOW": Kind(
        409, "The balance would fall below zero", "Take at most what `details.available` says."
    ),
    "JOB_STILL_ACTIVE": Kind(
        409,
        "The generation has not ended",
        "Cancel it, or wait for its end: a failure gives its credits back by itself.",
    ),
    "ALREADY_REFUNDED": Kind(
        409, "The generation's price was given back already", "A job is refunded once."
    ),
    "NOT_REFUNDABLE": Kind(
        409,
        "The generation kept no price within the last 30 days",
        "For an older one, correct the account's balance and name the job in the reason.",
    ),
    "LINK_EXPIRED": Kind(
        403,
        "The link has expired",
        "Ask `GET /v1/generations/{id}/video` for a new one.",
        retryable=True,
    ),
    "LINK_INVALID": Kind(
        403, "The link is not valid", "Ask `GET /v1/generations/{id}/video` for one."
    ),
    "RANGE_NOT_SATISFIABLE": Kind(
        416, "The range lies outside the file", "Ask for bytes that `Content-Range` covers."
    ),
    "STORAGE_UNAVAILABLE": Kind(
        503,
        "The media store is not reachable",
        "Try again shortly.",
        retryable=True,
        retry_after_seconds=5,
    ),
    "INTERNAL": Kind(
        500,
        "Something went wrong on our side",
        "Try again; give the request id to support.",
        retryable=True,
    ),
}
