"""Links to stored files that end: whoever holds one reads one file, until its time.

Source: C24, S1-28; HMAC-SHA256 (RFC 2104).
"""

import hmac
import re
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlencode

from runtime.object_keys import checked_key
from runtime.settings import Settings

EXPIRES_FIELD = "expires"
SIGNATURE_FIELD = "signature"
# Seconds since 1970, no sign, no spaces: until the year 33658 in 12 digits.
_EXPIRY = re.compile(r"[0-9]{1,12}", re.ASCII)
# First in every signed text, so that the same key may sign other things elsewhere.
_PURPOSE = "tapeworks media link 1"


class MediaLinks:
    """Signs and checks links with one key, which never shows in a repr, a log or an error.

    Raises: ValueError at start, if there is no key.
    """

    def __init__(self, settings: Settings) -> None:
        key = settings.media_signing_key.get_secret_value()
        if not key.strip():
            raise ValueError("TAPEWORKS_MEDIA_SIGNING_KEY is not set: links cannot be signed")
        self._key = settings.media_signing_key

    def sign(self, object_key: str, expires_at: datetime) -> str:
        """Give the query of a link, such as `expires=1767225600&signature=...`.

        Units: `expires_at` is cut to whole seconds.
        Raises: ValueError for a key that is none.
        """
        expires = str(int(expires_at.timestamp()))
        signature = self._signature(checked_key(object_key), expires)
        return urlencode({EXPIRES_FIELD: expires, SIGNATURE_FIELD: signature})

    def verify(self, object_key: str, expires: str, signature: str, now: datetime) -> bool:
        """Tell whether a link opens this file now; it does until, and not at, its end.

        Guarantee: takes any text; takes equally long wherever a signature is wrong.
        """
        expected = self._signature(object_key, expires)
        genuine = hmac.compare_digest(expected.encode(), _bytes(signature))
        if not genuine or not _EXPIRY.fullmatch(expires):
            return False
        return now.timestamp() < int(expires)

    def _signature(self, object_key: str, expires: str) -> str:
        # The key stands last: what precedes it holds no line break in a genuine link.
        text = f"{_PURPOSE}\n{expires}\n{object_key}"
        return hmac.new(self._key.get_secret_value().encode(), _bytes(text), sha256).hexdigest()


def _bytes(text: str) -> bytes:
    """Encode any text, a lone surrogate of a broken query too."""
    return text.encode(errors="surrogatepass")
