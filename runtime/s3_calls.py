"""How the S3 media store speaks to S3: one client, bounded calls, and errors of our own kinds.

It knows no keys: neither an object's nor an account's shows in an error that leaves here.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aioboto3
from aiohttp import ClientError as BrokenStream
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from runtime.settings import Settings
from runtime.storage import StorageError, StorageErrorKind

# 5 s: any store of this continent answers a connection in well under one.
CONNECT_SECONDS_MAX = 5
# 60 s without one byte: completing a large upload may take the store tens of seconds.
READ_SECONDS_MAX = 60
# The call and one repeat: that mends a connection which the store closed while it was idle. More
# would only hide a store that is away from the caller, who repeats the whole download himself.
ATTEMPTS_MAX = 2
# 100 streams at once in the ingress; further ones wait until their deadline. 10 is the default.
_CONNECTIONS_MAX = 100

_KIND_BY_CODE: dict[str, StorageErrorKind] = {
    "NoSuchBucket": "permission",
    "AccessDenied": "permission",
    "AllAccessDisabled": "permission",
    "InvalidAccessKeyId": "permission",
    "SignatureDoesNotMatch": "permission",
    "ExpiredToken": "permission",
    "InvalidToken": "permission",
    # The bucket is in another region than the settings say.
    "AuthorizationHeaderMalformed": "permission",
    "PermanentRedirect": "permission",
    "QuotaExceeded": "quota",
    "EntityTooLarge": "quota",
    "NoSuchKey": "missing",
    "PreconditionFailed": "conflict",
    "ConditionalRequestConflict": "conflict",
    # Has status 503, as every passing fault.
    "SlowDown": "other",
}
_KIND_BY_STATUS: dict[int, StorageErrorKind] = {
    401: "permission",
    403: "permission",
    404: "missing",
    409: "conflict",
    412: "conflict",
    507: "quota",
}
_NO_ACCESS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError)
# Only what looks like a code is repeated: a store that is none might answer anything.
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")


def error_kind(error: ClientError) -> StorageErrorKind:
    """Tell of which kind a refusal is, by its code, else by its status; never by its text."""
    by_status = _KIND_BY_STATUS.get(error_status(error), "other")
    return _KIND_BY_CODE.get(_code(error), by_status)


def error_status(error: ClientError) -> int:
    """Give the HTTP status of a refusal; 0 if the store sent none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@asynccontextmanager
async def s3_call(seconds_max: float) -> AsyncIterator[None]:
    """Bound what happens inside, and turn every error of S3 into a StorageError.

    Guarantee: no cause is chained, since botocore's texts name the address with the key in it.
    """
    try:
        async with asyncio.timeout(seconds_max):
            yield
    except ClientError as error:
        text = f"the store answered {_code(error)}, status {error_status(error)}"
        raise StorageError(error_kind(error), text) from None
    except _NO_ACCESS as error:
        raise StorageError("permission", f"no credentials ({type(error).__name__})") from None
    except TimeoutError:
        raise StorageError("other", "the store did not answer in time") from None
    except (BotoCoreError, BrokenStream) as error:
        raise StorageError("other", f"the store is away ({type(error).__name__})") from None


def _code(error: ClientError) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else "no code"


class S3Connection:
    """One client for all calls of a process, opened by the first of them.

    Credentials and the address come from the AWS variables and files, as botocore reads them.
    """

    def __init__(self, settings: Settings) -> None:
        self._region = settings.aws_region or None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._client: Any = None  # botocore makes its clients' classes at run time

    async def client(self) -> Any:  # noqa: ANN401  botocore makes its clients' classes at run time
        """Give the client.

        Raises: StorageError, `permission`, for a region or an address that is none.
        """
        async with self._opening:
            if self._client is None:
                session = aioboto3.Session(region_name=self._region)
                try:
                    self._client = await self._stack.enter_async_context(
                        session.client("s3", config=_config())
                    )
                except ValueError:
                    text = "AWS_REGION or AWS_ENDPOINT_URL is not valid"
                    raise StorageError("permission", text) from None
            return self._client

    async def close(self) -> None:
        """Close every connection; a later call opens them again."""
        async with self._opening:
            self._client = None
            await self._stack.aclose()


def _config() -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS_MAX,
        read_timeout=READ_SECONDS_MAX,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS_MAX},
        max_pool_connections=_CONNECTIONS_MAX,
        # botocore 1.40 else adds CRC32 trailers that stores other than AWS refuse; we send
        # SHA-256 ourselves, and whoever reads compares it with the tape.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
