"""Commands that prepare a service and end, such as making its data folder."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.errors import StartError


async def run_to_end(
    name: str,
    argv: Sequence[str],
    *,
    log_path: Path,
    within_seconds: float,
    env: Mapping[str, str],
    user: int | None = None,
    group: int | None = None,
) -> None:
    """Run a command that prepares a service, its output in the service's log.

    Raises: StartError when it fails or takes too long.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        log_from = log.tell()
        run = asyncio.to_thread(
            subprocess.run,
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=env,
            cwd="/",  # ours may be closed to the other user
            user=user,
            group=group,
            extra_groups=None if user is None else (),
            timeout=within_seconds,
            check=True,
        )
        try:
            await run
        except (subprocess.SubprocessError, OSError) as error:
            raise StartError(name, str(error), log_path, log_from) from error
