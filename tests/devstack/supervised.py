"""A program that supervises one sleeper of a state directory, for tests that kill it."""

import asyncio
import sys
from pathlib import Path

from devstack.processes import ManagedProcess
from devstack.state import StateFolder
from devstack.supervisor import Supervisor


async def main() -> None:
    state = StateFolder(Path(sys.argv[1]))
    body = "import signal; signal.pause()"
    async with Supervisor(state, signals=True) as supervisor:
        await supervisor.start(ManagedProcess("sleeper", [sys.executable, "-c", body], state=state))
        sys.stdout.write("up\n")
        sys.stdout.flush()
        await supervisor.stop_requested()


if __name__ == "__main__":
    asyncio.run(main())
