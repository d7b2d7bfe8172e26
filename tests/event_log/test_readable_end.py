"""When others can read what was committed; torture.md row 15, decision 0032."""

import asyncio

import pytest

from runtime.event_log.readable_end import WITHIN_SECONDS, ReadableEnd
from tests.event_log.feeding import DiedError, raise_died
from tests.virtual_time import run_virtually


class Ends:
    """A broker's answers to the question for the end, one after the other; the last repeats."""

    def __init__(self, *ends: int) -> None:
        self.ends = list(ends)
        self.asked = 0

    def __call__(self, **settings: object) -> "Ends":
        assert settings["isolation_level"] == "read_committed"
        return self

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def end_offsets(self, sources: list[object]) -> dict[object, int]:
        await asyncio.sleep(0.001)
        self.asked += 1
        end = self.ends[0] if len(self.ends) == 1 else self.ends.pop(0)
        return dict.fromkeys(sources, end)


def end_of(broker: Ends) -> ReadableEnd:
    return ReadableEnd("nowhere:1", "generation.events", 0, raise_died, broker)


def test_it_asks_until_the_end_has_passed_and_not_again():
    broker = Ends(3, 3, 7)

    async def wait() -> None:
        end = end_of(broker)
        await end.passes(7)
        await end.passes(7)
        await end.close()

    run_virtually(wait())
    assert broker.asked == 3


def test_many_who_wait_share_their_questions():
    broker = Ends(0, 0, 9)

    async def wait() -> None:
        end = end_of(broker)
        await asyncio.gather(*(end.passes(9) for _ in range(50)))

    run_virtually(wait())
    assert broker.asked == 3


def test_records_whose_markers_never_come_end_the_process():
    async def wait() -> float:
        began_at = asyncio.get_running_loop().time()
        with pytest.raises(DiedError, match="committed up to 5, but read only up to 4"):
            await end_of(Ends(4)).passes(5)
        return asyncio.get_running_loop().time() - began_at

    assert run_virtually(wait()) == pytest.approx(WITHIN_SECONDS, abs=1)
