"""Runs one job through real adapters, lane, ledger and media store, and says what became of it."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from domain.catalogue import FAL_VEO_3_1, VEO_3_1, VEO_3_1_VERTEX
from domain.generation_state import Limits
from processors.ledger import LedgerProgram
from providers.capabilities import CAPABILITIES
from providers.fal import FalQueue
from providers.google import GoogleVeo
from providers.protocol import Capabilities, Finished, Provider, Submission
from providers.unconfigured import Unconfigured
from providers.vertex import VertexVeo
from runtime import metrics
from runtime.clock import utc_now
from runtime.objects import FileMediaStore, StorageError
from runtime.settings import Settings
from schemas.generation import AlertRaised, GenerationCompleted, GenerationFailed
from schemas.ledger import CreditsRefunded, CreditsReserved, CreditsSettled
from tests.processors.memory_lane import MemoryLane
from tests.shell.lane_in_memory import Batch, generation_requested, grant_requested
from tests.taxonomy.gate import Gate
from tests.taxonomy.incidents import Cause, Incident
from tests.waiting import eventually

MODELS = {"google": VEO_3_1.name, "vertex": VEO_3_1_VERTEX.name, "fal": FAL_VEO_3_1.name}
ADAPTERS: dict[str, Any] = {"google": GoogleVeo, "vertex": VertexVeo, "fal": FalQueue}
KEYS = {"google": "google_api_key", "vertex": "vertex_api_key", "fal": "fal_key"}
ADDRESSES = {
    "google": ("google_base_url",),
    "vertex": ("vertex_base_url", "vertex_storage_url"),
    "fal": ("fal_queue_base_url",),
}
# Port 9 of this machine, where nobody listens.
CLOSED = "http://127.0.0.1:9"
# 10 ms between polls. 5 s for one call: enough on a busy machine; 0.3 s where none is answered.
POLL_SECONDS, CALL_SECONDS, SILENT_CALL_SECONDS = 0.01, 5.0, 0.3
# Steps in a trouble without end, after which the clock goes past every deadline.
STEPS_BEFORE_DEADLINE = 3
# 20 s: a cell takes one at most on an idle machine.
END_SECONDS_MAX = 20.0
# The real limits, but for the waits between submissions: 5 and 10 ms for 2 and 4 s.
LIMITS = Limits(submit_retry_wait=timedelta(milliseconds=5))
ENDS = {GenerationCompleted: "completed", GenerationFailed: "failed"}


@dataclass(frozen=True, slots=True)
class Result:
    """One cell: how the job ended, what it cost whom, and what was asked of the provider.

    `begun`: submissions by which the provider began work. `alerts`: category, phase, whether the
    job ended by it.
    """

    state: str
    code: str
    category: str
    phase: str
    given_back: int
    kept: int
    alerts: tuple[tuple[str, str, bool], ...]
    submits: int
    polls: int
    fetches: int
    begun: int
    details: tuple[str, ...]


class LeapingClock:
    """The real time, until it leaps past every deadline at once."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def leap(self) -> None:
        """Go an hour ahead: four times what a job may take."""
        self._ahead = timedelta(hours=1)


class FailingStore(FileMediaStore):
    """The store in a folder, whose first puts fail as the operating system would have them."""

    def __init__(self, folder: Path, cause: Cause) -> None:
        super().__init__(folder)
        self._kind, self._times = cause.store, cause.times

    async def put(self, object_key: str, source: Path, sha256: str, content_type: str) -> None:
        if self._kind is not None and self._times > 0:
            self._times -= 1
            raise StorageError(self._kind, "the store said no")
        await super().put(object_key, source, sha256, content_type)


async def result_of(gate: Gate, folder: Path, incident: Incident, provider: str) -> Result:
    """Run one job through one incident to its end."""
    cause = incident.cause
    async with httpx.AsyncClient(base_url=gate.url, verify=False) as control:  # noqa: S501  plain HTTP
        await control.delete("/_control/faults")
        await control.delete("/_control/submissions")
        if cause.fault is not None:
            fault = {"provider": provider, **cause.fault}
            (await control.post("/_control/faults", json=fault)).raise_for_status()
        calls_before = _calls(provider)
        lane, ledger_events = await _run(gate, folder, incident, provider)
        calls = _calls(provider) - calls_before
        rows = (await control.get("/_control/submissions")).json()
    end = lane.events[-1].event
    alerts = [each.event for each in lane.events if isinstance(each.event, AlertRaised)]
    failure = end.failure if isinstance(end, GenerationFailed) else None
    return Result(
        state=ENDS[type(end)],
        code=failure.code if failure else "",
        category=failure.category if failure else "",
        phase=incident.phase,
        given_back=sum(isinstance(event, CreditsRefunded) for event in ledger_events),
        kept=sum(isinstance(event, CreditsSettled) for event in ledger_events),
        alerts=tuple((alert.category, alert.phase, alert.ends_job) for alert in alerts),
        submits=calls["submit"],
        polls=calls["poll"],
        fetches=calls["fetch"],
        begun=sum(row["operation"] is not None for row in rows),
        details=tuple(sorted(failure.details)) if failure else (),
    )


async def _run(
    gate: Gate, folder: Path, incident: Incident, provider: str
) -> tuple[MemoryLane, list[object]]:
    cause = incident.cause
    settings = _settings(gate, folder, incident, provider)
    adapter = _adapter(settings, incident, provider)
    store, clock = FailingStore(folder / "media", cause), LeapingClock()
    lane = MemoryLane(folder, adapter, clock, store=store, settings=settings, limits=LIMITS)
    lane.runner.opened()
    ledger = Batch(LedgerProgram(settings))
    ledger.event(grant_requested())
    asked = generation_requested(at=utc_now())
    order = asked.settings.model_copy(update={"model": MODELS[provider]})
    (reserved,) = ledger.event(asked.model_copy(update={"settings": order}))
    assert isinstance(reserved.event, CreditsReserved)
    job_id = reserved.event.job_id

    def status() -> str:
        job = lane.job(job_id)
        return job.status if job is not None else ""

    gate.clear()
    if cause.answer is not None:
        gate.take(provider, incident.phase, cause.answer, cause.times, status)
    try:
        lane.receive(reserved.event)
        if cause.worker_dies:
            await lane.until("SubmissionIntended")
            dead = lane.runner
            lane.restarted()
        if incident.lasts:
            await _met_often(incident, provider)
            clock.leap()
        await _ended(lane)
        if cause.worker_dies:
            lane.closed = True
            await dead.close()
    finally:
        lane.closed = True
        await lane.runner.close()
        await adapter.close()
    # Each event comes twice: money moves once all the same (I05).
    answers = [ledger.envelope(each) for each in lane.events for _ in range(2)]
    return lane, [each.event for answer in answers for each in answer]


async def _met_often(incident: Incident, provider: str) -> None:
    call = "poll" if incident.phase == "poll" else "fetch"
    before = _calls(provider)[call]

    async def met() -> bool:
        return _calls(provider)[call] >= before + STEPS_BEFORE_DEADLINE

    await eventually(met, f"{STEPS_BEFORE_DEADLINE} calls: {call}")


async def _ended(lane: MemoryLane) -> None:
    async with asyncio.timeout(END_SECONDS_MAX):
        while not (lane.events and type(lane.events[-1].event) in ENDS):
            lane.changed.clear()
            await lane.changed.wait()


def _settings(gate: Gate, folder: Path, incident: Incident | None, provider: str) -> Settings:
    cause = incident.cause if incident else Cause()
    address = CLOSED if cause.unreachable else gate.url
    named: dict[str, Any] = dict.fromkeys(ADDRESSES[provider], address)
    named[KEYS[provider]] = SecretStr(cause.key)
    return Settings(
        **named,
        object_store_url=f"file://{folder}/media",
        download_timeout_seconds=_call_seconds(incident, "download", "store"),
    )


def _call_seconds(incident: Incident | None, *phases: str) -> float:
    """Give little time to the call that stays silent, and enough to every other."""
    silent = incident is not None and incident.cause.silent and incident.phase in phases
    return SILENT_CALL_SECONDS if silent else CALL_SECONDS


def _records(incident: Incident) -> dict[str, Capabilities]:
    return {
        model: replace(
            record,
            poll_interval_seconds=POLL_SECONDS,
            poll_interval_seconds_max=POLL_SECONDS,
            submit_timeout_seconds=_call_seconds(incident, "submit"),
            poll_timeout_seconds=_call_seconds(incident, "poll"),
        )
        for model, record in CAPABILITIES.items()
    }


def _adapter(settings: Settings, incident: Incident, provider: str) -> Provider:
    cause = incident.cause
    if not cause.key:
        return Unconfigured(provider, "ITS_KEY", settings, _records(incident))
    adapter: Provider = ADAPTERS[provider](settings, _records(incident))
    if cause.breaks is not None:
        _break(adapter, cause.breaks, cause.times)
    return adapter


def _break(adapter: Any, call: str, times: int) -> None:
    """Have an adapter's call raise what nobody foresaw, as a bug in it would."""
    sound, left = getattr(adapter, call), [times]

    def broken(*arguments: object) -> Any:
        if left[0] <= 0:
            return sound(*arguments)
        left[0] -= 1
        metrics.provider_calls.labels(adapter.name, call, "broken").inc()
        raise KeyError("done")

    setattr(adapter, call, broken)


def _calls(provider: str) -> Counter[str]:
    """Read how often each call was made, as the adapters themselves count it."""
    counted: Counter[str] = Counter()
    for metric in metrics.provider_calls.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total") and sample.labels["provider"] == provider:
                counted[sample.labels["call"]] += int(sample.value)
    return counted


async def _rendered(gate: Gate, folder: Path, provider: str) -> None:
    """Have the simulator render its clip, which takes longer than a call may here."""
    place = folder / f"{provider}-first"
    place.mkdir(parents=True)
    settings = _settings(gate, place, None, provider)
    adapter = ADAPTERS[provider](settings, CAPABILITIES)
    try:
        asked = generation_requested()
        order = asked.settings.model_copy(update={"model": MODELS[provider]})
        operation = await adapter.submit(Submission(asked.job_id, order, asked.private))
        finished = await adapter.poll(order.model, operation)
        assert isinstance(finished, Finished), "a generation takes no time here"
        async with adapter.fetch(finished.source) as chunks:
            async for _ in chunks:
                pass
    finally:
        await adapter.close()


async def all_results(
    gate: Gate, folder: Path, incidents: Iterable[Incident], provider: str
) -> dict[Incident, Result]:
    """Run every incident that the provider can have, one after the other."""
    found: dict[Incident, Result] = {}
    await _rendered(gate, folder, provider)
    for number, incident in enumerate(incidents):
        if provider in incident.impossible:
            continue
        place = folder / f"{provider}-{number}"
        place.mkdir(parents=True)
        found[incident] = await result_of(gate, place, incident, provider)
    return found
