"""How files are named in the media store, wherever it is."""

import re
from hashlib import sha256

KEY_CHARACTERS_MAX = 1000
# 255 bytes: the longest file name of the common file systems.
SEGMENT_CHARACTERS_MAX = 255
# A segment begins with a letter or digit: so none is `..`, none is hidden, and none of a store's
# own unfinished files can be asked for.
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# 60 characters of an operation id for people, and 16 hex digits (64 bits) so that no two ids of
# an account share a name.
_READABLE_CHARACTERS_MAX = 60
_HASH_CHARACTERS = 16


def object_key(account_id: str, operation_id: str) -> str:
    """Name the file of one operation: `{account}/videos/{operation}.mp4`.

    Guarantee: one name per operation id, whatever characters it holds (S0-61).
    """
    words = re.sub(r"[^A-Za-z0-9]+", "-", operation_id)
    readable = words[-_READABLE_CHARACTERS_MAX:].strip("-") or "operation"
    digest = sha256(operation_id.encode()).hexdigest()[:_HASH_CHARACTERS]
    return checked_key(f"{account_id}/videos/{readable}-{digest}.mp4")


def operation_key(provider: str, operation_id: str) -> str:
    """Name the record of whose work an operation is; no account's file has such a name."""
    return checked_key(f"operations/{provider}/{sha256(operation_id.encode()).hexdigest()}")


def checked_key(object_key: str) -> str:
    """Give the key back if it names a file inside the store.

    Raises: ValueError, for the caller to answer as it answers an unknown file.
    """
    short = len(object_key) <= KEY_CHARACTERS_MAX
    if not short or not all(map(_is_name, object_key.split("/"))):
        raise ValueError("not a key of the media store")
    return object_key


def _is_name(segment: str) -> bool:
    return len(segment) <= SEGMENT_CHARACTERS_MAX and bool(_SEGMENT.fullmatch(segment))
