"""Where a list goes on: opaque, stable while rows arrive, and good for its own list alone."""

import base64
import binascii
import hmac
import struct
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from starlette.requests import Request

from ingress.parameters import check_names, single, whole_number
from ingress.problems import FieldFault, ProblemError, invalid

LIMIT, CURSOR = "limit", "cursor"
LIMIT_DEFAULT = 20
LIMIT_MAX = 100
# 16 bytes: 128 bits cannot be guessed.
_MAC_BYTES = 16
# 8 bytes: tells one account's lists apart; that the cursor is ours is said by the MAC.
LIST_BYTES = 8
WHOLE_LIST = bytes(LIST_BYTES)
_ROW = struct.Struct(f">q16s{LIST_BYTES}s")
_SEQUENCE = struct.Struct(">q")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PURPOSE = b"tapeworks cursor 1\n"


class Cursors:
    """Writes and reads the cursors of one kind of list."""

    def __init__(self, secret: bytes, kind: str) -> None:
        self._key = hmac.digest(secret, _PURPOSE + kind.encode(), sha256)

    def of_row(
        self, account_id: str, created_at: datetime, row_id: UUID, list_id: bytes = WHOLE_LIST
    ) -> str:
        """Give the cursor that goes on after a row of a list by time and id."""
        microseconds = (created_at - _EPOCH) // timedelta(microseconds=1)
        return self._written(account_id, _ROW.pack(microseconds, row_id.bytes, list_id))

    def of_sequence(self, account_id: str, sequence: int) -> str:
        """Give the cursor that goes on after a row of a list by sequence."""
        return self._written(account_id, _SEQUENCE.pack(sequence))

    def row(
        self, account_id: str, cursor: str | None, list_id: bytes = WHOLE_LIST
    ) -> tuple[datetime, UUID] | None:
        """Read a cursor of `of_row`.

        Raises: ProblemError INVALID_REQUEST naming `cursor`; a foreign account's is as wrong, and
        one of the same list with other filters is named as such.
        """
        if cursor is None:
            return None
        microseconds, row_id, written_for = _ROW.unpack(self._read(account_id, cursor, _ROW.size))
        if written_for != list_id:
            problem = "is of a page with other filters"
            remedy = "send the filters of the page before, unchanged, or begin without a cursor"
            raise invalid(FieldFault(CURSOR, problem, remedy))
        return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=row_id)

    def sequence(self, account_id: str, cursor: str | None) -> int | None:
        """Read a cursor of `of_sequence`.

        Raises: as `row`.
        """
        if cursor is None:
            return None
        (sequence,) = _SEQUENCE.unpack(self._read(account_id, cursor, _SEQUENCE.size))
        return int(sequence)

    def _written(self, account_id: str, content: bytes) -> str:
        mac = self._mac(account_id, content)
        return base64.urlsafe_b64encode(content + mac).rstrip(b"=").decode()

    def _read(self, account_id: str, cursor: str, size: int) -> bytes:
        try:
            signed = base64.b64decode(
                cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True
            )
        except (UnicodeEncodeError, binascii.Error):
            raise _wrong() from None
        content, mac = signed[:size], signed[size:]
        if not hmac.compare_digest(mac, self._mac(account_id, content)):
            raise _wrong()
        return content

    def _mac(self, account_id: str, content: bytes) -> bytes:
        text = account_id.encode() + b"\n" + content
        return hmac.digest(self._key, text, sha256)[:_MAC_BYTES]


def page_asked(request: Request) -> tuple[int, str | None]:
    """Read `limit` and `cursor`.

    Raises: ProblemError INVALID_REQUEST.
    """
    faults: list[FieldFault] = []
    check_names(request, (LIMIT, CURSOR), faults)
    limit = limit_asked(request, faults)
    cursor = single(request, CURSOR, faults)
    if faults:
        raise invalid(*faults)
    return limit, cursor


def limit_asked(request: Request, faults: list[FieldFault]) -> int:
    """Read how many rows a page may have."""
    return whole_number(request, LIMIT, faults, default=LIMIT_DEFAULT, least=1, most=LIMIT_MAX)


def _wrong() -> ProblemError:
    problem = "is not a cursor of this list"
    return invalid(FieldFault(CURSOR, problem, "send `next_cursor` of the page before, unchanged"))
