"""Each point around a provider's call at which something may go wrong, and the rule for it, run.

Writes docs/provider-calls.md: `python -m tests.taxonomy.provider_calls`.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.failures import ProviderFault
from domain.generation_commands import BeginSubmission, RecordMedia, RecordOutput, RecordPoll
from processors.generation import JobCommand
from processors.ledger import LedgerProgram
from providers.protocol import Finished, ProviderError, Running
from runtime.logs import configure_logs
from runtime.settings import Settings
from schemas.generation import GenerationCompleted, GenerationFailed
from schemas.ledger import CreditsRefunded, CreditsReserved, CreditsSettled
from tests.domain.examples import MEDIA
from tests.processors.memory_lane import MemoryLane, ScriptedProvider, SettableClock
from tests.shell.lane_in_memory import Batch, generation_requested, grant_requested
from tests.waiting import eventually

DOCUMENT = Path(__file__).parents[2] / "docs" / "provider-calls.md"
NOT_CONNECTED = ProviderError(
    ProviderFault(kind="transient", started="no", message="connection refused")
)
CUT = ProviderError(ProviderFault(kind="transient", started="unknown", message="reset"))
LATE = ProviderError(ProviderFault(kind="transient", started="unknown", message="timed out"))
BROKEN = ProviderError(
    ProviderFault(kind="transient", started="unknown", message="internal error", status=500)
)


class Scene:
    """One job that was paid for, its lane, its provider, and the ledger that follows it."""

    def __init__(self, folder: Path) -> None:
        self.provider = ScriptedProvider()
        self.provider.poll_answers = [Running("running")]
        self.clock = SettableClock()
        settings = Settings(object_store_url=f"file://{folder}/media")
        self.lane = MemoryLane(folder, self.provider, self.clock, settings=settings)
        self.ledger = Batch(LedgerProgram(settings))
        self.ledger.event(grant_requested())
        (reserved,) = self.ledger.event(generation_requested(at=self.clock.now))
        assert isinstance(reserved.event, CreditsReserved)
        self.reserved = reserved.event

    @property
    def job_id(self) -> str:
        return self.reserved.job_id

    @property
    def status(self) -> str:
        job = self.lane.job(self.job_id)
        return job.status if job is not None else "ended"

    async def until_status(self, status: str) -> None:
        async def reached() -> bool:
            return self.status == status

        await eventually(reached, f"the job is {status}")

    async def tell(self, command: object) -> None:
        await self.lane.decide(JobCommand(self.job_id, command))  # type: ignore[arg-type]  # any of them

    def order(self) -> None:
        """Have a worker take the job up."""
        self.lane.runner.opened()
        self.lane.receive(self.reserved)


Play = Callable[[Scene], Awaitable[None]]


async def _killed_before_intent(scene: Scene) -> None:
    # The worker that is told of the job does nothing any more; the next one has it in its state.
    scene.lane.receive(scene.reserved)
    scene.lane.restarted()
    await scene.until_status("processing")


async def _killed_after_intent(scene: Scene) -> None:
    scene.lane.receive(scene.reserved)
    await scene.tell(BeginSubmission(scene.clock()))
    scene.lane.restarted()


async def _refused_once(scene: Scene) -> None:
    scene.provider.submit_answers = [NOT_CONNECTED, "operations/1"]
    scene.order()
    await scene.lane.until("SubmissionRefused")
    scene.clock.advance(seconds=2)
    await _taken_up_again(scene)
    await scene.until_status("processing")


async def _refused_always(scene: Scene) -> None:
    scene.provider.submit_answers = [NOT_CONNECTED]
    scene.order()
    for attempt in (1, 2):
        await _refusals(scene, attempt)
        scene.clock.advance(seconds=4)
        await _taken_up_again(scene)


async def _refusals(scene: Scene, count: int) -> None:
    async def refused() -> bool:
        return scene.lane.event_types.count("SubmissionRefused") >= count

    await eventually(refused, f"{count} refusals")


async def _taken_up_again(scene: Scene) -> None:
    """Hand the lane to another worker, whose timers go by the clock as it stands now."""
    await scene.lane.runner.close()
    scene.lane.restarted()


def _answered(error: ProviderError) -> Play:
    async def play(scene: Scene) -> None:
        scene.provider.submit_answers = [error]
        scene.order()

    return play


async def _killed_after_acceptance(scene: Scene) -> None:
    never = asyncio.Event()

    @asynccontextmanager
    async def accepted_unheard() -> AsyncIterator[None]:
        await never.wait()
        yield

    scene.provider.before_submit_answer = accepted_unheard
    scene.order()
    await scene.lane.until("SubmissionIntended")
    dead = scene.lane.runner
    scene.lane.restarted()
    await scene.lane.until("GenerationFailed")
    never.set()
    await dead.close()


async def _late_success(scene: Scene) -> None:
    scene.order()
    await scene.lane.until("GenerationPolled")
    scene.clock.advance(minutes=15)
    await _taken_up_again(scene)
    await scene.lane.until("GenerationFailed")
    await scene.tell(RecordOutput(scene.clock(), "files/1", None))


async def _backwards(scene: Scene) -> None:
    downloading = asyncio.Event()

    @asynccontextmanager
    async def slow(source: str) -> AsyncIterator[AsyncIterator[bytes]]:
        scene.provider.fetches.append(source)
        await downloading.wait()
        yield  # type: ignore[misc]  # never reached

    scene.provider.fetch = slow  # type: ignore[method-assign]
    scene.provider.poll_answers = [Finished("files/1")]
    scene.order()
    await scene.until_status("downloading")
    await scene.tell(RecordPoll(scene.clock(), "running", 10, None))
    assert scene.status == "downloading"
    await scene.tell(RecordMedia(scene.clock(), MEDIA))


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One row: when, the rule in words, and how it is brought about."""

    when: str
    rule: str
    play: Play


UNKNOWN = "it is not sent again, since it may be paid for"
POINTS: tuple[Point, ...] = (
    Point(
        "the worker is killed before the intent is on the tape",
        "the next worker orders, as if nothing had been",
        _killed_before_intent,
    ),
    Point(
        "the worker is killed after the intent, before the call",
        f"nobody can tell this from a call that was made: {UNKNOWN}",
        _killed_after_intent,
    ),
    Point(
        "the connection is refused once",
        "surely nothing began: ordered again after 2 s",
        _refused_once,
    ),
    Point(
        "the connection is refused at every attempt",
        "three attempts, after 2 s and 4 s; then the job ends",
        _refused_always,
    ),
    Point("the request is sent, and the connection cut", UNKNOWN, _answered(CUT)),
    Point("the answer is lost or comes too late", UNKNOWN, _answered(LATE)),
    Point("500, after the work may have begun", UNKNOWN, _answered(BROKEN)),
    Point(
        "the provider has accepted, and the worker is killed",
        f"the next worker finds an intent without an answer: {UNKNOWN}",
        _killed_after_acceptance,
    ),
    Point(
        "the work succeeds after the job's deadline",
        "the job has ended; what comes late changes nothing",
        _late_success,
    ),
    Point(
        "the status goes backwards, from done to running",
        "the first end counts; a job that is being fetched does not go back",
        _backwards,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a point: what a client sees, the money, the orders that were sent."""

    seen: str
    credits: str
    orders: int


async def outcome_of(point: Point, folder: Path) -> Outcome:
    """Run one row to where nothing more will follow from its fault."""
    scene = Scene(folder)
    try:
        await point.play(scene)
        if scene.status not in {"processing", "ended"}:
            await scene.until_status("ended")
    finally:
        scene.lane.closed = True
        await scene.lane.runner.close()
    # Each event comes twice: money moves once all the same (I05).
    answers = [scene.ledger.envelope(each) for each in scene.lane.events for _ in range(2)]
    money = [each.event for answer in answers for each in answer]
    return Outcome(_seen(scene), _credits(money), len(scene.provider.submissions))


def _seen(scene: Scene) -> str:
    """Say what the client's job document shows: its status, and the code of a failure."""
    ends = [e.event for e in scene.lane.events]
    for event in ends:
        if isinstance(event, GenerationFailed):
            return f"`failed`, `{event.failure.code}`"
        if isinstance(event, GenerationCompleted):
            return "`completed`"
    return f"`{scene.status}`"


def _credits(money: Sequence[object]) -> str:
    back = sum(isinstance(event, CreditsRefunded) for event in money)
    kept = sum(isinstance(event, CreditsSettled) for event in money)
    assert back + kept <= 1, "money moves once"
    return "come back" if back else "are kept" if kept else "stay reserved"


INTRODUCTION = """\
# Around the provider's call

An order for a video is the one call that must not be repeated: each may be paid for. So the
intent stands on the tape before it (`SubmissionIntended`), and what follows depends on what is
known after it. Each line of the table is run by a test, which fails when this page and the run
differ; `python -m tests.taxonomy.provider_calls` writes the page. How each provider's own answers
are read stands in [failures.md](failures.md).

A job whose order may or may not have begun ends as `failed` with the code `SUBMISSION_UNKNOWN`:
that is what its client sees (`GET /v1/generations/{id}`), with its credits back. No provider
that we speak to can be asked by a reference of ours (`finds_by_reference` in its capability
record), so there is nobody to look it up at. Operators are told by an alert, since the provider
may bill it.

*orders*: how often the provider was asked for the video. `processing`: the job goes on.

"""
HEADINGS = ("when", "the rule", "orders", "client sees", "credits")


async def run_all(folder: Path) -> dict[Point, Outcome]:
    """Run every row."""
    found = {}
    for number, point in enumerate(POINTS):
        place = folder / str(number)
        place.mkdir()
        found[point] = await outcome_of(point, place)
    return found


def document(outcomes: dict[Point, Outcome]) -> str:
    """Give the whole page."""
    rows = [
        (point.when, point.rule, str(found.orders), found.seen, found.credits)
        for point, found in outcomes.items()
    ]
    lines = [HEADINGS, ("---",) * len(HEADINGS), *rows]
    return INTRODUCTION + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Run everything and write the page."""
    configure_logs("taxonomy", "critical")
    with tempfile.TemporaryDirectory() as folder:
        text = document(asyncio.run(run_all(Path(folder))))
    DOCUMENT.write_text(text)
    sys.stdout.write(f"{DOCUMENT} is written\n")


if __name__ == "__main__":
    main()
