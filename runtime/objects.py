"""The media store: finished files under keys, written once, read in ranges.

It knows nothing of jobs or providers, and never replaces a file.
"""

from pathlib import Path
from urllib.parse import unquote

from runtime.object_keys import checked_key, object_key, operation_key
from runtime.objects_file import FileMediaStore
from runtime.settings import Settings
from runtime.storage import CACHE_SECONDS, VIDEO_CONTENT_TYPE, MediaStore, StorageError

__all__ = [
    "CACHE_SECONDS",
    "VIDEO_CONTENT_TYPE",
    "FileMediaStore",
    "MediaStore",
    "StorageError",
    "checked_key",
    "object_key",
    "open_media_store",
    "operation_key",
]


def open_media_store(settings: Settings) -> MediaStore:
    """Open the store that OBJECT_STORE_URL names.

    Raises: ValueError at start, naming the variable and what is wrong with it.
    """
    scheme, _, rest = settings.object_store_url.partition("://")
    if scheme == "s3":
        # Here, not above: a store in a folder need not wait half a second for the AWS libraries.
        from runtime.objects_s3 import S3MediaStore  # noqa: PLC0415

        try:
            return S3MediaStore.at(rest, settings)
        except ValueError as error:
            raise ValueError(f"OBJECT_STORE_URL must be s3://bucket[/prefix]: {error}") from error
    # Not a URL parser: it would end the path at a `#` or `?`, which a folder may hold.
    folder = unquote(rest.removeprefix("localhost"))
    if scheme != "file" or not folder.startswith("/"):
        raise ValueError("OBJECT_STORE_URL must be file:///absolute/folder or s3://bucket[/prefix]")
    try:
        return FileMediaStore(Path(folder))
    except OSError as error:
        raise ValueError(f"OBJECT_STORE_URL: {error}") from error
