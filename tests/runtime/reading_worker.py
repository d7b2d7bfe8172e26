"""A worker that reads one topic and commits nothing: `python -m tests.runtime.reading_worker`.

It prints the offset of each record. After as many records as it is told, it goes back to what is
committed, as Faust does in a rebalance, and says so.
"""

import sys
from collections.abc import Iterable, Mapping

from runtime.event_log.program import InputRecord
from runtime.settings import settings
from runtime.worker import TapeApp, create_app, run_worker


class Reading:
    """Lanes that keep nothing."""

    ready = True
    app: TapeApp

    def __init__(self, seek_after: int) -> None:
        self._seek_after = seek_after

    async def assigned(self, _: Iterable[tuple[str, int]]) -> None:
        pass

    async def start_offsets(self, _: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return {}

    async def revoked(self) -> None:
        pass

    async def put(self, _: int, record: InputRecord) -> None:
        say(f"record {record.offset} after {record.previous_offset}")
        self._seek_after -= 1
        if self._seek_after == 0:
            self.app.consumer.stop_flow()
            await self.app.consumer.perform_seek()
            say("back to what is committed")
            self.app.consumer.resume_flow()


def say(what: str) -> None:
    print(what, flush=True)  # noqa: T201  what the test reads


if __name__ == "__main__":
    topic, records = sys.argv[1:]
    reading = Reading(int(records))
    reading.app = create_app("reading", settings(), [topic], reading)
    run_worker("reading", reading.app, settings())
