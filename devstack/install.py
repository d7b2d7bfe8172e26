"""Fetch the broker's jars and check each against `kafka.lock`; `make install` runs this ahead.

It starts nothing. The jars lie in the ordinary local Maven repository, so that other tools and
a CI cache can share them.
"""

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import Artifact, MavenContext

from devstack.errors import DevstackError

LOCK_FILE = Path(__file__).with_name("kafka.lock")
FETCH_WITHIN_SECONDS = 300.0  # 44 MB at 150 kB/s
REQUEST_WITHIN_SECONDS = 30  # silence on one connection
ATTEMPTS = 4
BACKOFF_SECONDS = 1.0  # doubled each time: 1, 2 and 4 s, together below one REQUEST_WITHIN_SECONDS
PARALLEL = 8


class FetchError(DevstackError):
    """Say which jar could not be had."""


@dataclass(frozen=True, slots=True)
class Jar:
    group: str
    artifact: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars(lock_file: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Return what the broker's class path is made of."""
    lines = lock_file.read_text().splitlines()
    return tuple(Jar(*line.split()) for line in lines if line and not line.startswith("#"))


def ensure_jars(
    jars: Sequence[Jar] | None = None,
    repository: Path | None = None,
    *,
    within_seconds: float = FETCH_WITHIN_SECONDS,
) -> tuple[Path, ...]:
    """Return the class path, after fetching what is missing or damaged.

    Raises: FetchError, for the caller to show.
    Guarantee: every file returned has the hash in the lock; safe beside another run of itself.
    """
    jars = locked_jars() if jars is None else jars
    context = MavenContext(
        repo_cache=repository or GlobalSettings.load().repo_cache, timeout=REQUEST_WITHIN_SECONDS
    )
    give_up_at = time.monotonic() + within_seconds
    paths = tuple(Path(_artifact(context, jar).cached_path) for jar in jars)
    if not all(map(_intact, paths, jars)):
        with _one_at_a_time(context.repo_cache, give_up_at):
            _fetch_all(context, jars, give_up_at)
    return paths


def _fetch_all(context: MavenContext, jars: Sequence[Jar], give_up_at: float) -> None:
    with ThreadPoolExecutor(PARALLEL) as pool:
        fetches = [pool.submit(_fetch, context, jar, give_up_at) for jar in jars]
        try:
            for fetch in fetches:
                fetch.result()
        except FetchError:
            pool.shutdown(wait=False, cancel_futures=True)  # one failure is enough to say so
            raise


def _fetch(context: MavenContext, jar: Jar, give_up_at: float) -> None:
    artifact = _artifact(context, jar)
    path = Path(artifact.cached_path)
    failure: Exception | str = "there was no time left to try"
    for attempt in range(ATTEMPTS):
        if _intact(path, jar):
            return
        path.unlink(missing_ok=True)  # jgo 3.2 leaves a broken download in place and then trusts it
        pause_seconds = BACKOFF_SECONDS * 2 ** (attempt - 1) if attempt else 0.0
        if time.monotonic() + pause_seconds > give_up_at:
            break
        time.sleep(pause_seconds)
        try:
            context.resolver.download(artifact)
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            failure = error
        else:
            failure = "what came does not have the hash in kafka.lock"
    if not _intact(path, jar):
        raise FetchError(f"Could not fetch {jar} for the Kafka broker: {failure}")


def _artifact(context: MavenContext, jar: Jar) -> Artifact:
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact()


def _intact(path: Path, jar: Jar) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256


@contextmanager
def _one_at_a_time(repository: Path, give_up_at: float) -> Iterator[None]:
    repository.mkdir(parents=True, exist_ok=True)
    with (repository / ".tapeworks.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > give_up_at:
                    raise FetchError(f"Another fetch holds {lock.name}") from error
                time.sleep(0.1)
        yield


def main() -> int:
    """Fetch the jars and say so in one line."""
    try:
        paths = ensure_jars()
    except FetchError as error:
        print(error, file=sys.stderr)  # noqa: T201  a command speaks to its caller
        return 1
    size_mb = sum(path.stat().st_size for path in paths) // 1_000_000
    print(f"The Kafka broker is here: {len(paths)} jars, {size_mb} MB.")  # noqa: T201  the same
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a connection that hangs must not hold the exit
