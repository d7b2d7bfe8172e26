"""A provider that bills, loses answers, goes backwards and finishes too late; and a media store.

What becomes of an order is drawn when it arrives. The provider keeps its own books, and the
oracle holds them against the log.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from domain.failures import ProviderFault, download_failed, storage_failed
from providers.download import MediaFailure
from providers.protocol import (
    CancelAnswer,
    Capabilities,
    Finished,
    PollAnswer,
    ProviderError,
    Refused,
    Running,
    Submission,
)
from schemas.generation import StoredMedia
from tests.simulation.network import Network
from tests.simulation.oracle import Oracle

NAME = "google"
# S0-80.
GENERATION_TIMEOUT = timedelta(minutes=15)
# How an order goes, and how many in 1,000 go so in a seed with every fault; the rest goes well.
SUBMIT_FATES = {
    "busy": 60,
    "rejected": 15,
    "impossible": 5,
    "lost": 10,
    "lost_billed": 20,
    "error_after_accept": 20,
    "quota": 15,
    "adapter_bug": 5,
}
WORK_FATES = {
    "refused": 25,
    "forgotten": 10,
    "never_ends": 10,
    "at_the_deadline": 15,
    "backwards": 30,
    "fails_after_success": 10,
}
NO_DOWNLOAD_IN_1000 = 40
# Of 1 in a seed with every fault: polls that bring no answer, by what keeps it away.
POLL_TROUBLES = {"hiccup": 0.02, "key": 0.01, "adapter_bug": 0.005}
# Of 1: cancellations that fail for a while, fail for good, and whose answer is lost.
CANCEL_TROUBLES = {"busy": 0.2, "gone": 0.1, "lost": 0.05}

QUOTA = ProviderFault(kind="transient", started="no", message="used up", status=429, lacks="quota")
BUSY = ProviderFault(kind="transient", started="no", message="busy", status=503)
REJECTED = ProviderFault(kind="rejected", started="no", message="not so", status=400)
IMPOSSIBLE = ProviderFault(
    kind="permanent", started="no", message="no key", status=403, lacks="permission"
)
NO_ANSWER = ProviderFault(kind="transient", started="unknown", message="reset")
BROKEN = ProviderFault(kind="transient", started="unknown", message="oops", status=500)
GONE = ProviderFault(kind="permanent", started="unknown", message="no such work", status=404)
HICCUP = ProviderFault(kind="transient", started="unknown", message="busy", status=503)
NO_KEY = ProviderFault(
    kind="transient", started="unknown", message="no key", status=401, lacks="key"
)
REFUSALS = {"busy": BUSY, "quota": QUOTA, "rejected": REJECTED, "impossible": IMPOSSIBLE}


@dataclass(slots=True)
class Operation:
    """Work that the provider has begun, and bills."""

    operation_id: str
    job_id: str
    fate: str
    ends_at: float
    polls: int = 0
    delivered: list[str] = field(default_factory=list)


CAPABILITIES = Capabilities(
    model="veo-3.1",
    provider=NAME,
    accepts_idempotency_key=False,
    finds_by_reference=False,
    cancels="any_time",
    bills_on_failure=False,
    on_unknown_submission="fail",
    poll_gap_seconds_min=0.5,
    poll_interval_seconds=20.0,
    poll_interval_seconds_max=60.0,
    submit_timeout_seconds=60.0,
    poll_timeout_seconds=20.0,
    url_life_seconds=3600.0,
    poll_renews_link=False,
)


class SimulatedStore:
    """What the simulation asks of a media store: whose an operation is, told at once."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    async def claimed(self, object_key: str, owner: str) -> str:
        return self._owners.setdefault(object_key, owner)


class SimulatedProvider:
    """The provider as every worker reaches it."""

    name = NAME

    def __init__(self, network: Network, random: Random, oracle: Oracle, faults: float) -> None:
        self.operations: dict[str, Operation] = {}
        self._network = network
        self._random = random
        self._oracle = oracle
        self._faults = faults
        self._lasting: dict[str, str] = {}
        # In one seed of four the provider offers no cancellation.
        cancels = random.random() < 0.75
        self._capabilities = replace(CAPABILITIES, cancels="any_time" if cancels else "never")
        oracle.provider_cancels = cancels

    def capabilities(self, model: str) -> Capabilities:
        del model
        return self._capabilities

    async def submit(self, submission: Submission) -> str:
        return await self._network.ask(self._accept, submission.job_id)

    async def poll(self, model: str, operation_id: str) -> PollAnswer:
        del model
        seconds = None
        operation = self.operations.get(operation_id)
        if operation is not None and operation.fate == "at_the_deadline":
            seconds = self._until_deadline(operation)
        return await self._network.ask(self._status, operation_id, seconds=seconds)

    async def cancel(self, model: str, operation_id: str) -> CancelAnswer:
        del model
        answer: CancelAnswer = await self._network.ask(self._stop, operation_id)
        return answer

    def fetch(self, source: str) -> Any:
        raise AssertionError(f"the simulation fetches {source} by itself")

    async def close(self) -> None: ...

    async def fetch_video(self, _: object, __: object, **about: Any) -> StoredMedia:
        """Stand in for providers.download: fetch, check and store a finished video."""
        await about["claim"]()
        seconds = self._random.random() * 4
        media = await self._network.ask(
            self._store, about["source"], about["object_key"], seconds=seconds
        )
        assert isinstance(media, StoredMedia)
        return media

    # What happens at the provider.

    def _accept(self, job_id: str) -> Any:
        self._oracle.provider_asked(job_id)
        fate = self._lasting.get(job_id) or self._drawn(SUBMIT_FATES)
        if fate in REFUSALS:
            if fate == "quota":
                # Until the job's attempts are used up, too.
                self._lasting[job_id] = fate
            raise ProviderError(REFUSALS[fate])
        if fate == "lost":
            raise ProviderError(NO_ANSWER)
        operation_id = self._begin(job_id)
        if fate == "lost_billed":
            raise ProviderError(NO_ANSWER)
        if fate == "error_after_accept":
            raise ProviderError(BROKEN)
        if fate == "adapter_bug":
            raise RuntimeError("planted: the adapter cannot read the answer")
        return operation_id

    def _begin(self, job_id: str) -> str:
        self._oracle.billed(job_id)
        number = len(self.operations) + 1
        operation_id = f"operations/{number}"
        seconds = 1 + self._random.random() * 18
        fate = self._drawn(WORK_FATES)
        if fate == "backwards":
            # Long enough to be seen going backwards.
            seconds += 45
        now = self._network.loop.now
        self.operations[operation_id] = Operation(operation_id, job_id, fate, now + seconds)
        self._oracle.operations[operation_id] = job_id
        return operation_id

    def _status(self, operation_id: str) -> PollAnswer:
        operation = self.operations.get(operation_id)
        if operation is None:
            raise ProviderError(GONE)
        operation.polls += 1
        self._trouble()
        fate, ended = operation.fate, self._network.loop.now >= operation.ends_at
        if fate == "stopped" or (fate == "forgotten" and operation.polls > 1):
            raise ProviderError(GONE)
        if fate == "at_the_deadline":
            ended = ended and self._time_left(operation) <= 0
        if fate == "never_ends" or not ended:
            if fate == "backwards":
                return Running("queued", max(60 - 20 * operation.polls, 0))
            return Running("running", min(operation.polls * 10, 90))
        if fate == "refused":
            return Refused(("violence",))
        if fate == "fails_after_success" and operation.delivered:
            raise ProviderError(GONE)
        source = f"files/{operation_id}/{operation.polls}"
        operation.delivered.append(source)
        self._oracle.finished(operation.job_id, source)
        return Finished(source)

    def _trouble(self) -> None:
        draw = self._random.random() / max(self._faults, 0.001)
        if draw < POLL_TROUBLES["hiccup"]:
            raise ProviderError(HICCUP)
        draw -= POLL_TROUBLES["hiccup"]
        if draw < POLL_TROUBLES["key"]:
            raise ProviderError(NO_KEY)
        if draw < POLL_TROUBLES["key"] + POLL_TROUBLES["adapter_bug"]:
            raise RuntimeError("planted: the adapter cannot read the answer")

    def _stop(self, operation_id: str) -> CancelAnswer:
        """Stop what is under way; a repeat is answered as the first."""
        operation = self.operations[operation_id]
        told = partial(self._oracle.asked_to_stop, operation.job_id)
        draw = self._random.random()
        if draw < CANCEL_TROUBLES["busy"] + CANCEL_TROUBLES["gone"]:
            told("unreachable")
            raise ProviderError(HICCUP if draw < CANCEL_TROUBLES["busy"] else GONE)
        ended = self._network.loop.now >= operation.ends_at or operation.fate == "refused"
        if operation.fate != "stopped" and (ended or operation.delivered):
            told("too_late")
            return "too_late"
        operation.fate = "stopped"
        told("accepted")
        if draw > 1 - CANCEL_TROUBLES["lost"]:
            told("unreachable")
            raise ProviderError(NO_ANSWER)
        return "accepted"

    def _store(self, source: str, object_key: str) -> Any:
        draw = self._random.random() * 1000
        if draw < NO_DOWNLOAD_IN_1000 * self._faults:
            broken = draw < NO_DOWNLOAD_IN_1000 * self._faults / 2
            if broken:
                raise MediaFailure(download_failed("it is torn", 3))
            lasting = draw < NO_DOWNLOAD_IN_1000 * self._faults * 0.75
            raise MediaFailure(storage_failed("other", "it is full", 3, lasting=lasting))
        if draw > 1000 - NO_DOWNLOAD_IN_1000 * self._faults / 4:
            raise RuntimeError("planted: the download breaks down")
        self._oracle.stored[object_key] = self._oracle.sources[source]
        return StoredMedia(
            object_key=object_key,
            content_type="video/mp4",
            size_bytes=5000,
            sha256="0" * 64,
            duration_ms=4000,
            width_pixels=1280,
            height_pixels=720,
            frames_per_second=24.0,
        )

    def _time_left(self, operation: Operation) -> float:
        at = self._oracle.reserved_at(operation.job_id) + GENERATION_TIMEOUT
        return (at - self._oracle.clock()).total_seconds()

    def _until_deadline(self, operation: Operation) -> float | None:
        """Hold the last answer back until the very moment of the job's deadline, or just past."""
        left = self._time_left(operation)
        if not 0 < left < CAPABILITIES.poll_timeout_seconds:
            return None
        return left + (0.0, 0.0, 0.001)[int(self._random.random() * 3)]

    def _drawn(self, fates: dict[str, int]) -> str:
        draw = self._random.random() * 1000 / max(self._faults, 0.001)
        for fate, share in fates.items():
            if draw < share:
                return fate
            draw -= share
        return "good"
