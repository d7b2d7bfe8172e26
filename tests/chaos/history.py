"""What every client did and saw, written down call by call, and what must hold over all of it."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from tests.system.jobs import ENDED

Outcome = Literal["ok", "failed", "unknown"]
# What a client may be told while something is away; everything else that is no success is wrong.
EXCUSED = {429, 503}


class Operation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a client: `failed` was refused in words, of `unknown` nobody knows what it did.

    Shape: `key` is the idempotency key, which also stands for the job before it has an id; `job_id`
    is what was asked for or promised, `shown_id` what was shown, which is another id where a
    repeated post was promised one of its own; `status` is that of HTTP; `state` the job's.
    Units: seconds of this machine's monotonic clock.
    """

    started_at: float
    ended_at: float
    action: Literal["post", "look", "list"]
    key: str
    outcome: Outcome
    status: int = 0
    job_id: str = ""
    shown_id: str = ""
    state: str = ""
    detail: str = ""


class History:
    """The file of one run, a line per operation, on disk as soon as it is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb", buffering=0)
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, operation: Operation) -> None:
        self._file.write(self._encoder.encode(operation) + b"\n")


def read(path: Path) -> Iterator[Operation]:
    decoder = msgspec.json.Decoder(Operation)
    with path.open("rb") as lines:
        for line in lines:
            yield decoder.decode(line)


class Story:
    """What clients saw of one id; `real_id` is the job's, once it was shown."""

    def __init__(self, job_id: str, key: str, accepted_at: float) -> None:
        self.job_id = self.real_id = job_id
        self.key = key
        self.accepted_at = accepted_at
        self.end: str | None = None
        self.ended_at = float("inf")


class Verdict:
    """Holds a history against what a client may rely on.

    1. An accepted id is never a 404 afterwards. 2. One key is one job. 3. Every accepted job ends,
    and stands in its account's list. 4. What has ended stays as it is. 5. Whoever is sent away is
    told when to come back.
    """

    def __init__(self) -> None:
        self.operations = {"ok": 0, "failed": 0, "unknown": 0}
        self.stories: dict[str, Story] = {}
        self.lost: list[str] = []
        self.doubled: list[str] = []
        self.stuck: list[str] = []
        self.wrong: list[str] = []
        self.slowest_refusal_seconds = 0.0
        self._listed: set[str] = set()

    @classmethod
    def of(cls, path: Path) -> "Verdict":
        """Judge the file of a run that is over."""
        verdict = cls()
        # By their starts, not their ends: what began after an answer must know of that answer.
        for operation in sorted(read(path), key=lambda each: each.started_at):
            verdict.see(operation)
        verdict.close()
        return verdict

    def see(self, operation: Operation) -> None:
        self.operations[operation.outcome] += 1
        if operation.outcome == "failed":
            self.slowest_refusal_seconds = max(
                self.slowest_refusal_seconds, operation.ended_at - operation.started_at
            )
        if operation.detail and operation.outcome == "failed" and operation.status != 404:
            self.wrong.append(
                f"{operation.key} was answered {operation.status}: {operation.detail}"
            )
        if operation.action == "list":
            self._listed.add(operation.job_id)
        if operation.action == "post" and operation.outcome == "ok":
            self._accepted(operation)
        story = self.stories.get(operation.job_id)
        if story is None:
            if operation.job_id and operation.action == "look":
                self.wrong.append(f"{operation.job_id} was looked at but never accepted")
            return
        if operation.status == 404 and operation.started_at >= story.accepted_at:
            self.lost.append(f"{story.job_id} ({story.key}) was accepted and is a 404")
        story.real_id = operation.shown_id or story.real_id
        if operation.state:
            self._state(story, operation)

    def close(self) -> None:
        jobs: dict[str, set[str]] = defaultdict(set)
        for story in self.stories.values():
            jobs[story.key].add(story.real_id)
            if story.end is None:
                self.stuck.append(f"{story.job_id} ({story.key}) has not ended")
            if story.real_id not in self._listed:
                self.lost.append(f"{story.real_id} ({story.key}) is not in its account's list")
        self.doubled += [f"{key} bought {sorted(ids)}" for key, ids in jobs.items() if len(ids) > 1]

    def _accepted(self, operation: Operation) -> None:
        story = self.stories.get(operation.job_id)
        if story is None:
            self.stories[operation.job_id] = Story(
                operation.job_id, operation.key, operation.ended_at
            )
        elif story.key != operation.key:
            self.doubled.append(f"{operation.job_id} stands for {story.key} and {operation.key}")

    def _state(self, story: Story, operation: Operation) -> None:
        if story.end is not None:
            # A look that began before the end was known may still show what was before.
            if operation.state != story.end and operation.started_at >= story.ended_at:
                self.wrong.append(f"{story.job_id} was {story.end} and is {operation.state}")
        elif operation.state in ENDED:
            story.end, story.ended_at = operation.state, operation.ended_at
