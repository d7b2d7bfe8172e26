"""Run a broker once, and keep its classes for those to come; `make install` does so."""

import asyncio
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from devstack.archive import archive_path
from devstack.errors import DevstackError
from devstack.kafka import KafkaBroker
from devstack.ports import free_port
from devstack.state import StateFolder


async def record_archive(archive: Path) -> None:
    """Put the archive there, whole or not at all, and remove those of other versions.

    Raises: DevstackError.
    """
    with TemporaryDirectory(prefix="tapeworks-archive-") as folder:
        recorded = Path(folder) / "kafka.aot"
        port = free_port()
        broker = KafkaBroker(
            StateFolder(Path(folder)), port, free_port(frozenset({port})), record_to=recorded
        )
        await broker.start()
        await broker.stop()
        if not recorded.is_file():
            raise DevstackError(f"the JVM left no archive at {recorded}")
        archive.parent.mkdir(parents=True, exist_ok=True)
        for other in archive.parent.glob("kafka-*.aot"):
            other.unlink()
        draft = archive.with_suffix(".draft")
        shutil.copyfile(recorded, draft)
        draft.rename(archive)


def main() -> None:
    """Record what is missing and say so in one line; without it a broker only starts slower."""
    archive = archive_path()
    if archive.is_file():
        return
    started = time.monotonic()
    try:
        asyncio.run(record_archive(archive))
    except (DevstackError, OSError) as error:
        _say(f"The broker's classes could not be kept, it will start slower: {error}")
        return
    size_mb, seconds = archive.stat().st_size // 1_000_000, time.monotonic() - started
    _say(f"The broker's classes are kept: {size_mb} MB, recorded in {seconds:.0f} s.")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  a command speaks to its caller


if __name__ == "__main__":
    main()
