"""Asks a simulator which submissions it received."""

import asyncio

import httpx
import msgspec

from replay.billing import SubmissionRow

__all__ = ["SubmissionRow", "SubmissionsError", "fetch_submissions"]

# 30 s: 200,000 rows are some 60 MB of JSON.
FETCH_TIMEOUT_SECONDS = 30.0
_rows = msgspec.json.Decoder(list[SubmissionRow])


class SubmissionsError(Exception):
    """The simulator did not say; the text says why."""


async def fetch_submissions(
    simulator_url: str, *, timeout_seconds: float = FETCH_TIMEOUT_SECONDS
) -> list[SubmissionRow]:
    """Fetch the rows of `GET /_control/submissions`, oldest first.

    Call it before `verify`: what was submitted by then stands on the log that is read after.
    Raises: SubmissionsError on any other answer than a list of rows, or none in time.
    """
    url = f"{simulator_url.rstrip('/')}/_control/submissions"
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            httpx.AsyncClient(timeout=timeout_seconds) as client,
        ):
            answer = await client.get(url)
            answer.raise_for_status()
            return _rows.decode(answer.content)
    except (httpx.HTTPError, TimeoutError, msgspec.DecodeError) as error:
        raise SubmissionsError(f"{url}: {type(error).__name__}: {error}") from error
