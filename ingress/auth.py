"""Who is calling: API keys, kept as hashes, remembered for a minute.

No key is ever logged, stored or shown again.
"""

import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from starlette.requests import Request

from ingress.calls import call_of
from ingress.ports import Keys
from ingress.problems import ProblemError
from ingress.rows import KeyRow, Role
from runtime.clock import monotonic_seconds
from runtime.database import DatabaseUnavailable
from runtime.settings import Settings

ADMIN_ACCOUNT = "admin"
KEY_PREFIX = "tw_"
# 32 bytes: 256 random bits; 43 characters of base64url.
_KEY_BYTES = 32
_KEY = re.compile(rb"tw_[A-Za-z0-9_-]{43}")
# 60 s: how long a revoked key may go on working in another process.
FRESH_SECONDS = 60.0
# 5 s: while Postgres is away, one call in so long waits for it; the others go on at once.
RETRY_SECONDS = 5.0
# 10,000: some 3 MB.
KEYS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a key belongs to."""

    account_id: str
    role: Role


@dataclass(slots=True)
class _Remembered:
    principal: Principal
    fresh_until: float


def new_key() -> str:
    """Make a key of 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def key_hash(key: bytes) -> bytes:
    """Give what is stored of a key; 256 random bits need no salt and no slow hash."""
    return sha256(key).digest()


class Authenticator:
    """Finds the principal of a call."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        monotonic: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._keys = keys
        self._monotonic = monotonic
        admin_key = settings.admin_api_key.get_secret_value()
        self._admin_hash = key_hash(admin_key.encode()) if admin_key else None
        # In order of the last look at the table: the first is the first to be forgotten.
        self._remembered: dict[bytes, _Remembered] = {}

    async def principal(self, request: Request) -> Principal:
        """Authenticate a call, before anything else of it is looked at (S0-11).

        Raises: ProblemError UNAUTHENTICATED; DatabaseUnavailable for a key that is not remembered.
        """
        key = _sent_key(request)
        if key is None:
            raise ProblemError("UNAUTHENTICATED", "No API key was sent.")
        digest = key_hash(key)
        if self._admin_hash is not None and hmac.compare_digest(digest, self._admin_hash):
            principal = Principal(ADMIN_ACCOUNT, "admin")
        elif _KEY.fullmatch(key):
            principal = await self._look_up(digest)
        else:
            raise _unknown()
        call_of(request).account_id = principal.account_id
        return principal

    async def administrator(self, request: Request) -> Principal:
        """Authenticate a call that only administrators may make.

        Raises: as `principal`, and ProblemError FORBIDDEN.
        """
        principal = await self.principal(request)
        if principal.role != "admin":
            raise ProblemError("FORBIDDEN", "This key has the role client.")
        return principal

    def forget(self, digest: bytes) -> None:
        """Forget a key that was revoked here."""
        self._remembered.pop(digest, None)

    async def _look_up(self, digest: bytes) -> Principal:
        known = self._remembered.get(digest)
        now = self._monotonic()
        if known is not None and now < known.fresh_until:
            return known.principal
        try:
            row = await self._keys.key(digest)
        except DatabaseUnavailable:
            if known is None:
                raise
            known.fresh_until = now + RETRY_SECONDS
            return known.principal
        return self._remember(digest, row)

    def _remember(self, digest: bytes, row: KeyRow | None) -> Principal:
        self._remembered.pop(digest, None)
        if row is None:
            raise _unknown()
        if len(self._remembered) >= KEYS_REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        principal = Principal(row.account_id, row.role)
        fresh_until = self._monotonic() + FRESH_SECONDS
        self._remembered[digest] = _Remembered(principal, fresh_until)
        return principal


def _unknown() -> ProblemError:
    return ProblemError("UNAUTHENTICATED", "This API key is not known.")


def _sent_key(request: Request) -> bytes | None:
    """Find the key in `Authorization: Bearer` or, without that header, in `X-API-Key`."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        key = request.headers.get("x-api-key", "")
    else:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
    # Starlette reads header bytes as Latin-1.
    return key.strip().encode("latin-1") or None
