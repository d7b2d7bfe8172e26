"""Opens the file of every completed job (I21): it must be there, with its size and its bytes."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from replay.checks import Check
from replay.generation_jobs import Delivery
from runtime.objects import MediaStore, StorageError

# 8: enough to keep a disk busy, few enough open files.
FILES_AT_ONCE = 8


async def check_media(check: Check, store: MediaStore, deliveries: Sequence[Delivery]) -> None:
    """Compare each file's size and SHA-256 with what its job promises."""
    at_once = asyncio.Semaphore(FILES_AT_ONCE)

    async def checked(delivery: Delivery) -> str | None:
        async with at_once:
            return await _fault(store, delivery)

    for delivery, fault in zip(
        deliveries, await asyncio.gather(*map(checked, deliveries)), strict=True
    ):
        check.looked_at += 1
        if fault is not None:
            check.wrong(
                f"{delivery.at}: the file {delivery.media.object_key} of job {delivery.job_id} "
                f"{fault}"
            )


async def _fault(store: MediaStore, delivery: Delivery) -> str | None:
    media = delivery.media
    try:
        size_bytes = await store.size_bytes(media.object_key)
        if size_bytes is None:
            return "is missing"
        if size_bytes != media.size_bytes:
            return f"has {size_bytes} bytes, promised were {media.size_bytes}"
        digest = sha256()
        async with store.open(media.object_key) as chunks:
            async for chunk in chunks:
                digest.update(chunk)
    except (ValueError, StorageError) as error:
        return f"cannot be read: {error}"
    if digest.hexdigest() != media.sha256:
        return f"has the SHA-256 {digest.hexdigest()}, promised was {media.sha256}"
    return None
