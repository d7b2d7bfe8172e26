"""What can go wrong with a service of this machine, told so that the reader need not search."""

from pathlib import Path

TAIL_LINES = 30
TAIL_BYTES = 64 * 1024  # 30 lines of 2 KiB, the longest a stack trace's line gets


class DevstackError(Exception):
    """Say what did not work, for the person at the terminal."""


class StartError(DevstackError):
    """Say which process did not start, why, where its log is, and how the log ends."""

    def __init__(self, name: str, reason: str, log_path: Path, log_from: int = 0) -> None:
        self.name = name
        self.reason = reason
        self.log_path = log_path
        tail = log_tail(log_path, log_from)
        end = f"ends:\n{tail}" if tail else "says nothing of this start."
        super().__init__(f"{name} did not start: {reason}\nIts log, {log_path}, {end}")


class StopRequestedError(DevstackError):
    """Say that a signal asked for the end while something was still starting."""


class AlreadyRunningError(DevstackError):
    """Say that another supervisor holds this state directory."""


def log_tail(log_path: Path, log_from: int = 0) -> str:
    """Return the last lines of a log.

    Units: `log_from` is a byte offset; what stands before it belongs to an earlier run.
    """
    if not log_path.exists():
        return ""
    with log_path.open("rb") as log:
        end = log.seek(0, 2)
        log.seek(max(min(log_from, end), end - TAIL_BYTES))
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])
