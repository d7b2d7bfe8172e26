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
        self._told = 0
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

    @property
    def rounds_said(self) -> int:
        """Count the lines that say how far it is; one comes each 10 s at least."""
        return len(_ROUND.findall(self._text()))

    def wrong(self) -> list[str]:
        """Give what it found wrong since the last call, and how it ended if it did."""
        text = self._text()
        lines = text[self._told :].splitlines()
        self._told = len(text)
        found = [line for line in lines if re.search(r" wrong \w+: ", line)]
        if self._process.poll() is not None:
            found.append(f"verify --follow ended with {self._process.returncode}: {lines[-5:]}")
        return found

    def end(self) -> None:
        """End it as Ctrl-C does; it must say that nothing was wrong."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(STOP_SECONDS_MAX)
        assert code == 0, self._text()[-4000:]

    def _text(self) -> str:
        return self._path.read_text(errors="replace")
