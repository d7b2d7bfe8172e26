"""A job that is cancelled: what its provider is asked, and when it ends."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from domain.failures import ProviderFault
from processors import job_calls
from providers.protocol import ProviderError
from schemas.generation import GenerationCancelled
from tests.processors.memory_lane import (
    MemoryLane,
    cancellation,
    reserved,
)
from tests.waiting import eventually

LOST = ProviderError(ProviderFault(kind="transient", started="unknown", message="reset"))
GONE = ProviderError(ProviderFault(kind="permanent", started="unknown", message="no", status=404))


async def test_a_cancelled_job_gets_no_further_call_I40(lane, provider):
    provider.can_cancel = True
    job = reserved()
    lane.receive(job)
    await lane.until("GenerationPolled")
    lane.receive(cancellation(job.job_id))
    await lane.until("GenerationCancelled")

    async def cancelled() -> bool:
        return provider.cancels == ["operations/1"]

    await eventually(cancelled, "the provider is told to stop", seconds=5)
    polls = len(provider.polls)
    lane.restarted()
    assert lane.job(job.job_id) is None
    assert len(provider.polls) == polls


def cancelled_as(lane: MemoryLane) -> tuple[bool, str | None]:
    event = lane.events[-1].event
    assert isinstance(event, GenerationCancelled)
    return event.submitted, event.provider_cancellation


async def cancel_while_it_is_submitted(lane, provider) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow():
        started.set()
        await release.wait()
        yield

    provider.before_submit_answer = slow
    job = reserved()
    lane.receive(job)
    await asyncio.wait_for(started.wait(), 5)
    lane.receive(cancellation(job.job_id))
    assert provider.cancels == []
    release.set()
    await lane.until("GenerationCancelled")


async def test_a_job_cancelled_while_it_is_submitted_is_stopped_once_its_operation_is_known_C28(
    lane, provider
):
    provider.can_cancel = True
    await cancel_while_it_is_submitted(lane, provider)
    assert lane.event_types == ["SubmissionIntended", "GenerationSubmitted", "GenerationCancelled"]
    assert provider.cancels == ["operations/1"]
    assert provider.polls == []
    assert cancelled_as(lane) == (True, "accepted")


async def test_a_provider_that_stops_nothing_is_not_asked_to(lane, provider):
    await cancel_while_it_is_submitted(lane, provider)
    assert provider.cancels == []
    assert cancelled_as(lane) == (True, "not_offered")


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["too_late"], ("too_late", 1)),
        ([LOST, "accepted"], ("accepted", 2)),
        ([LOST], ("unreachable", 3)),
        ([GONE], ("unreachable", 1)),
    ],
)
async def test_what_the_provider_said_to_a_cancellation_is_on_the_tape_S1_24(
    lane, provider, monkeypatch, answers, told
):
    """S1-24; a provider that cannot be reached is asked 3 times, and no job waits for ever."""
    monkeypatch.setattr(job_calls, "CANCEL_WAITS_SECONDS", (0.01, 0.02))
    provider.can_cancel = True
    provider.cancel_answers = answers
    job = reserved()
    lane.receive(job)
    await lane.until("GenerationPolled")
    lane.receive(cancellation(job.job_id))
    await lane.until("GenerationCancelled")
    assert (cancelled_as(lane)[1], len(provider.cancels)) == told


async def test_a_cancellation_that_a_dead_worker_left_behind_reaches_the_provider(lane, provider):
    provider.can_cancel = True
    job = reserved()
    lane.receive(job)
    await lane.until("GenerationPolled")
    await lane.runner.close()
    lane.receive(cancellation(job.job_id))
    assert provider.cancels == []
    lane.restarted()
    await lane.until("GenerationCancelled")
    assert provider.cancels == ["operations/1"]


async def test_a_cancellation_that_breaks_down_harms_nobody(lane, provider):
    provider.can_cancel = True
    provider.cancel_answers = [KeyError("gone")]
    job = reserved()
    lane.receive(job)
    await lane.until("GenerationPolled")
    with capture_logs() as lines:
        lane.receive(cancellation(job.job_id))
        await lane.until("GenerationCancelled")

        async def logged() -> bool:
            return any(line["event"] == "cancel_raised" for line in lines)

        await eventually(logged, "the line", seconds=5)
