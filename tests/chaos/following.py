"""`tape verify --follow` as a process of its own: it must never find anything wrong."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.running import RunningSystem, clean_environment

STOP_SECONDS_MAX = 30.0
_ROUND = re.compile(r"(holds|[\d,]+ wrong): ([\d,]+) events")


class Following:
    """One process, whose lines go to a file."""

    def __init__(self, system: RunningSystem, path: Path) -> None:
        self._path = path
        # A broker that a row keeps away for longer ends nothing: it gives up after 10 minutes.
        with path.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tape", "verify", "--follow"],
                env=clean_environment(
                    system.state_dir, {"COLUMNS": "400", "PYTHONUNBUFFERED": "1"}
                ),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def end(self) -> list[str]:
        """End it as Ctrl-C does; give all it found wrong, and that it looked at nothing."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOP_SECONDS_MAX)
        lines = self._text().splitlines()
        wrong = [line for line in lines if re.search(r" wrong \w+: ", line)]
        if code != 0:
            wrong.append(f"verify --follow ended with {code}: {lines[-5:]}")
        if not any(_ROUND.search(line) for line in lines):
            wrong.append("verify --follow did not come to look at anything")
        return wrong

    def _text(self) -> str:
        return self._path.read_text(errors="replace")
