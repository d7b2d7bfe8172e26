"""The finished files: signed links that end, and what stands behind them."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ingress import answers
from ingress.jobs import ENDED, found_generation, video_link
from ingress.models import VideoLink
from ingress.problems import ProblemError
from ingress.services import Services, services_of
from runtime.links import EXPIRES_FIELD, SIGNATURE_FIELD
from runtime.objects import CACHE_SECONDS, VIDEO_CONTENT_TYPE, MediaStore, StorageError

router = APIRouter(tags=["media"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# One range of bytes; several in one request are answered with the whole file (RFC 9110, 14.2).
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@router.get(
    "/v1/generations/{generation_id}/video",
    responses=answers.documented(VideoLink, 200, 404, 409, 503),
)
async def link_video(request: Request, generation_id: str) -> Response:
    """Give a link to the finished file that works for a while, without a key (C24)."""
    services = services_of(request)
    principal = await services.auth.principal(request)
    row = await found_generation(services, principal.account_id, generation_id)
    if row.status != "completed" or row.object_key is None:
        raise ProblemError(
            "GENERATION_NOT_COMPLETED",
            f"The generation is {row.status}.",
            details={"status": row.status},
            retryable=row.status not in ENDED,
        )
    return answers.answer(video_link(services, row.object_key))


@router.get("/v1/media/{object_key:path}", response_class=StreamingResponse)
@router.head("/v1/media/{object_key:path}", include_in_schema=False)
async def serve_media(request: Request, object_key: str) -> Response:
    """Serve a stored file to whoever holds a link to it."""
    services = services_of(request)
    _check_link(services, request, object_key)
    try:
        size = await services.media.size_bytes(object_key)
    except StorageError as error:
        raise ProblemError("STORAGE_UNAVAILABLE", "The file cannot be read now.") from error
    if size is None:
        raise ProblemError("NOT_FOUND", "The file is not there.")
    first, after = _asked_range(request, size, _tag(object_key))
    partial = (first, after) != (0, size)
    headers = {
        "Content-Type": VIDEO_CONTENT_TYPE,
        "Content-Length": str(after - first),
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={CACHE_SECONDS}",
        "ETag": _tag(object_key),
        "X-Content-Type-Options": "nosniff",
    }
    if partial:
        headers["Content-Range"] = f"bytes {first}-{after - 1}/{size}"
    if request.method == "HEAD":
        return Response(status_code=206 if partial else 200, headers=headers)
    chunks = _chunks(services.media, object_key, first, after)
    return StreamingResponse(chunks, 206 if partial else 200, headers)


def _check_link(services: Services, request: Request, object_key: str) -> None:
    expires = request.query_params.get(EXPIRES_FIELD, "")
    signature = request.query_params.get(SIGNATURE_FIELD, "")
    links = services.media_links
    # A genuine link was good at the beginning of time; so an old one is told from a forged one.
    if not links.verify(object_key, expires, signature, _EPOCH):
        raise ProblemError("LINK_INVALID", "The link's signature is not ours.")
    if not links.verify(object_key, expires, signature, services.clock()):
        raise ProblemError("LINK_EXPIRED", "The link's time is over.")


def _asked_range(request: Request, size: int, tag: str) -> tuple[int, int]:
    """Read which bytes are asked for, half open.

    Raises: ProblemError RANGE_NOT_SATISFIABLE.
    Source: RFC 9110, section 14; what is no valid range is ignored.
    """
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", tag) != tag:
        return 0, size
    first_text, last_text = match.groups()
    if not first_text and not last_text:
        return 0, size
    if not first_text:
        first, after = max(0, size - int(last_text)), size
    else:
        first = int(first_text)
        after = min(size, int(last_text) + 1) if last_text else size
        if last_text and int(last_text) < first:
            return 0, size
    if first >= size:
        headers = {"Content-Range": f"bytes */{size}"}
        raise ProblemError("RANGE_NOT_SATISFIABLE", f"The file has {size} bytes.", headers=headers)
    return first, after


def _tag(object_key: str) -> str:
    """Name the content: a key's file never changes."""
    return f'"{sha256(object_key.encode(errors="replace")).hexdigest()[:32]}"'


async def _chunks(
    media: MediaStore, object_key: str, first: int, after: int
) -> AsyncIterator[bytes]:
    async with media.open(object_key, first, after) as chunks:
        async for chunk in chunks:
            yield chunk
