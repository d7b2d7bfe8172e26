"""What a simulator must not forget when its process is killed: an append-only file of JSON lines.

Every line is one write to the operating system before the client gets its answer, so it survives
the process (not the machine: nothing is synced to the disk). Faults and the set time are not kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from simulator.operations import Operation
from simulator.submissions import Submission

FILE_NAME = "simulator.jsonl"


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The end of an operation by its client's will. `billed`: it had started before."""

    operation_id: str
    billed: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission, with the operation it started; or one cancellation.

    An entry without any of them is the clearing of all rows.
    """

    submission: Submission | None = None
    operation: Operation | None = None
    cancellation: Cancellation | None = None


class Journal:
    """The entries of all simulators that ran on one folder; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE_NAME if folder else None
        self._encoder = msgspec.json.Encoder()
        self._file = None
        if folder and self._path:
            folder.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(self._path)
            self._file = self._path.open("ab", buffering=0)

    def entries(self) -> Iterator[Entry]:
        """Return what was written, oldest first.

        Raises: msgspec.DecodeError on a line that is no entry; the simulator does not start then.
        """
        if self._path is None:
            return
        decoder = msgspec.json.Decoder(Entry)
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    entry = decoder.decode(line)
                except msgspec.DecodeError as error:
                    error.add_note(f"{self._path}, line {number}; remove the file to start anew")
                    raise
                yield entry

    def append(self, entry: Entry) -> None:
        """Write one entry."""
        if self._file is not None:
            self._file.write(self._encoder.encode(entry) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _cut_torn_line(path: Path) -> None:
    """Remove what stands behind the last line end: its submission was never answered."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        complete_bytes = 0
        for line in file:
            if line.endswith(b"\n"):
                complete_bytes += len(line)
        file.truncate(complete_bytes)
