"""The state directory: where each service of this machine keeps its data, its log and its pid.

Everything below it may be removed at any time while nothing runs.
"""

from pathlib import Path

DEFAULT_STATE = Path(".tape")


class StateFolder:
    """Name the places below one state directory."""

    def __init__(self, path: Path = DEFAULT_STATE) -> None:
        self.path = path.absolute()

    def create(self) -> None:
        for folder in (self.run, self.logs, self.media):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def media(self) -> Path:
        return self.path / "media"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    def service(self, name: str) -> Path:
        """Return the folder that holds the files of one service."""
        return self.path / name

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def pid(self, name: str) -> Path:
        """Return the pid file of one process: the number and nothing else."""
        return self.run / f"{name}.pid"
