"""The runner beside a lane: who is called when, and what a restart makes of each phase."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from domain.failures import ProviderFault
from processors import job_calls
from providers.protocol import Finished, ProviderError, Refused, Running
from runtime import metrics
from runtime.objects import open_media_store, operation_key
from runtime.settings import Settings
from schemas.generation import AlertRaised, GenerationCancelled, GenerationFailed
from tests.processors.memory_lane import (
    ORDERS_MAX,
    MemoryLane,
    ScriptedProvider,
    SettableClock,
    cancellation,
    reserved,
)
from tests.waiting import eventually

NOT_TAKEN = ProviderError(ProviderFault(kind="transient", started="no", message="busy", status=503))
LOST = ProviderError(ProviderFault(kind="transient", started="unknown", message="reset"))
GONE = ProviderError(ProviderFault(kind="permanent", started="unknown", message="no", status=404))


@pytest.fixture
def provider():
    return ScriptedProvider()


@pytest.fixture
def clock():
    return SettableClock()


@pytest.fixture
async def lane(tmp_path, provider, clock):
    lane = MemoryLane(tmp_path, provider, clock)
    lane.runner.opened()
    yield lane
    lane.closed = True
    await lane.runner.close()


def failure_code(lane: MemoryLane) -> str:
    event = lane.events[-1].event
    assert isinstance(event, GenerationFailed)
    return event.failure.code


async def test_the_intent_stands_on_the_tape_before_the_provider_is_called_I07(lane, provider):
    seen_at_call: list[list[str]] = []

    @asynccontextmanager
    async def look():
        seen_at_call.append(lane.event_types)
        yield

    provider.before_submit_answer = look
    lane.receive(reserved())
    await lane.until("GenerationSubmitted")
    assert seen_at_call == [["SubmissionIntended"]]


async def test_nothing_is_ordered_before_others_can_read_the_intent_I07(
    lane, provider, monkeypatch
):
    """torture.md row 15: what cannot be read may still be taken back (decision 0032)."""
    asked, readable = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await readable.wait()

    monkeypatch.setattr(lane, "readable", wait)
    lane.receive(reserved())
    async with asyncio.timeout(5):
        await asked.wait()
    assert lane.event_types == ["SubmissionIntended"]
    assert provider.submissions == []
    readable.set()
    await lane.until("GenerationSubmitted")


async def test_the_first_poll_comes_at_once_and_the_next_after_the_interval_C10(lane, provider):
    lane.receive(reserved())

    async def three_polls() -> bool:
        return len(provider.polls) >= 3

    await eventually(three_polls, "three polls", seconds=5)
    assert lane.event_types == ["SubmissionIntended", "GenerationSubmitted", "GenerationPolled"]


async def test_orders_that_hang_hold_up_no_question_about_other_jobs(lane, provider):
    """Work that is done would else be noticed too late, and paid for and thrown away."""
    lane.receive(reserved())
    await lane.until("GenerationSubmitted")
    answered = asyncio.Event()

    @asynccontextmanager
    async def hang():
        await answered.wait()
        yield

    provider.before_submit_answer = hang
    for _ in range(ORDERS_MAX):
        lane.receive(reserved())

    async def all_hang() -> bool:
        return len(provider.submissions) == 1 + ORDERS_MAX

    await eventually(all_hang, "every place for orders is taken", seconds=5)
    polls = len(provider.polls)

    async def polled() -> bool:
        return len(provider.polls) >= polls + 3

    await eventually(polled, "the first job is asked about", seconds=5)
    answered.set()


async def test_a_submission_that_was_surely_not_taken_is_tried_again_after_its_wait(
    lane, provider, clock
):
    provider.submit_answers = [NOT_TAKEN, "operations/2"]
    job = reserved()
    lane.receive(job)
    await lane.until("SubmissionRefused")
    assert len(provider.submissions) == 1
    clock.advance(seconds=2)
    lane.restarted()
    await lane.until("GenerationSubmitted")
    assert lane.event_types[:4] == [
        "SubmissionIntended",
        "SubmissionRefused",
        "SubmissionIntended",
        "GenerationSubmitted",
    ]


async def test_a_submission_whose_answer_was_lost_is_never_sent_again_C18(lane, provider):
    provider.submit_answers = [LOST]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "SUBMISSION_UNKNOWN"
    assert len(provider.submissions) == 1


async def test_a_worker_that_finds_an_intent_without_an_answer_does_not_submit(lane, provider):
    never = asyncio.Event()

    @asynccontextmanager
    async def hang():
        await never.wait()
        yield

    provider.before_submit_answer = hang
    lane.receive(reserved())
    await lane.until("SubmissionIntended")
    killed = lane.runner
    lane.restarted()
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "SUBMISSION_UNKNOWN"
    assert len(provider.submissions) == 1
    never.set()
    await killed.close()
    assert lane.event_types == ["SubmissionIntended", "AlertRaised", "GenerationFailed"]


async def test_polling_goes_on_after_a_restart_S0_51(lane, provider):
    lane.receive(reserved())
    await lane.until("GenerationPolled")
    await lane.runner.close()
    provider.poll_answers = [Refused(("violence",))]
    lane.restarted()
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "SAFETY_FILTER_BLOCKED"
    assert len(provider.submissions) == 1


async def test_a_poll_that_fails_for_a_moment_is_asked_again(lane, provider):
    provider.poll_answers = [NOT_TAKEN, LOST, Running("running")]
    lane.receive(reserved())
    await lane.until("GenerationPolled")
    assert len(provider.polls) >= 3


async def test_an_operation_the_provider_forgot_fails_its_job(lane, provider):
    provider.poll_answers = [GONE]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "PROVIDER_ERROR"


async def test_a_job_whose_provider_never_ends_is_failed_after_15_minutes_even_after_a_restart(
    lane, provider, clock
):
    provider.can_cancel = True
    lane.receive(reserved())
    await lane.until("GenerationPolled")
    await lane.runner.close()
    clock.advance(minutes=15)
    lane.restarted()
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "GENERATION_TIMEOUT"

    async def cancelled() -> bool:
        return provider.cancels == ["operations/1"]

    await eventually(cancelled, "the provider is told to stop", seconds=5)


async def test_a_download_that_fails_for_good_fails_the_job_S0_65(lane, provider):
    provider.poll_answers = [Finished("files/1")]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert lane.event_types == [
        "SubmissionIntended",
        "GenerationSubmitted",
        "DownloadStarted",
        "GenerationFailed",
    ]
    assert failure_code(lane) == "DOWNLOAD_FAILED"


async def test_an_expired_link_is_renewed_by_one_more_poll(lane, provider):
    """S0-63: the file is there still, under another link."""
    provider.poll_renews_link = True
    provider.poll_answers = [Finished("links/1"), Finished("links/2")]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert provider.fetches == ["links/1", "links/2"]
    assert len(provider.polls) == 2


@pytest.mark.parametrize("answer", [Running("running"), GONE])
async def test_without_a_fresh_link_the_old_one_stands(lane, provider, answer):
    provider.poll_renews_link = True
    provider.poll_answers = [Finished("links/1"), answer]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert provider.fetches == ["links/1"]
    assert failure_code(lane) == "DOWNLOAD_FAILED"


async def test_a_provider_that_renews_no_links_is_not_asked_for_one(lane, provider):
    provider.poll_answers = [Finished("links/1")]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert (provider.fetches, len(provider.polls)) == (["links/1"], 1)


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


async def test_one_job_in_trouble_does_not_hold_up_another_I24(lane, provider):
    started = asyncio.Event()
    release = asyncio.Event()

    @asynccontextmanager
    async def first_hangs():
        if len(provider.submissions) == 1:
            started.set()
            await release.wait()
        yield

    provider.before_submit_answer = first_hangs
    lane.receive(reserved(str(uuid4())))
    await asyncio.wait_for(started.wait(), 5)
    lane.receive(reserved(str(uuid4())))
    await lane.until("GenerationSubmitted")
    release.set()


async def test_a_lane_that_closes_waits_for_a_submission_in_flight(lane, provider):
    started, release = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow():
        started.set()
        await release.wait()
        yield

    provider.before_submit_answer = slow
    lane.receive(reserved())
    await asyncio.wait_for(started.wait(), 5)
    closing = asyncio.create_task(lane.runner.close())
    await asyncio.sleep(0)
    release.set()
    await closing
    assert lane.event_types == ["SubmissionIntended", "GenerationSubmitted"]


def alerts_counted() -> float:
    return metrics.alerts.labels("system_error", "SYSTEM_ERROR", "poll", "google")._value.get()


async def test_a_fault_of_ours_is_told_to_operators_and_tried_again_while_others_go_on(
    lane, provider
):
    """S0-83, I24: logged, alerted, retried; no worker ends for one job's sake."""
    before = alerts_counted()
    provider.poll_answers = [KeyError("done"), KeyError("done"), Running("running")]
    lane.receive(reserved())
    with capture_logs() as lines:
        await lane.until("GenerationPolled")
    told = [each.event for each in lane.events if isinstance(each.event, AlertRaised)]
    assert [(alert.category, alert.phase, alert.ends_job) for alert in told] == [
        ("system_error", "poll", False)
    ]
    assert alerts_counted() == before + 1
    (line,) = [line for line in lines if line["event"] == "alert_raised"]
    assert (line["category"], line["reason"], line["job_id"]) == (
        "system_error",
        "KeyError",
        told[0].job_id,
    )


async def test_a_refused_key_while_polling_is_told_at_once_and_the_job_waits_for_a_new_one(
    lane, provider
):
    """S0-44."""
    refused = ProviderFault(
        kind="transient", started="unknown", message="No user.", status=401, lacks="key"
    )
    provider.poll_answers = [ProviderError(refused), Refused((), "violence", 0.9)]
    lane.receive(reserved())
    await lane.until("GenerationFailed")
    assert lane.event_types == [
        "SubmissionIntended",
        "GenerationSubmitted",
        "AlertRaised",
        "GenerationFailed",
    ]
    event = lane.events[-1].event
    assert isinstance(event, GenerationFailed)
    assert event.failure.details == {"category": "violence", "confidence": 0.9}


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


async def test_a_provider_that_asks_for_a_year_is_polled_again_within_a_minute(
    lane, provider, monkeypatch
):
    """Torture row 29: paid work would else end unseen."""
    monkeypatch.setattr(job_calls, "RETRY_AFTER_SECONDS_MAX", 0.05)
    busy = ProviderFault(kind="transient", started="no", message="busy", status=429, lacks="quota")
    provider.poll_answers = [ProviderError(busy, 31_536_000.0), Running("running")]
    lane.receive(reserved())
    await lane.until("GenerationPolled")
    assert len(provider.polls) >= 2


async def test_an_operation_id_of_another_accounts_job_is_refused_and_told_to_operators(
    lane, provider, tmp_path, clock
):
    """torture.md row 23: the provider answers two orders, on two partitions, with one id."""
    provider.submit_answers = ["operations/one-for-both"]
    first, second = reserved(), reserved().model_copy(update={"account_id": "bob"})
    other = MemoryLane(tmp_path, provider, clock)  # its own memory, the same media store
    other.runner.opened()
    lane.receive(first)
    await lane.until("GenerationSubmitted")
    other.receive(second)
    await other.until("GenerationFailed")
    ended = other.events[-1].event
    assert isinstance(ended, GenerationFailed)
    failure = ended.failure
    assert (failure.category, failure.details["provider_code"]) == (
        "submission_unknown",
        "OPERATION_TAKEN",
    )
    alert = other.events[-2].event
    assert isinstance(alert, AlertRaised)
    assert first.job_id not in alert.model_dump_json() + ended.model_dump_json()
    assert provider.polls == ["operations/one-for-both"] * len(provider.polls)
    await other.runner.close()


async def test_a_download_of_another_jobs_operation_never_begins(lane, provider, tmp_path):
    """torture.md row 23: the store was away when the second order was answered."""
    provider.poll_answers = [Finished("files/1")]
    store = open_media_store(Settings(object_store_url=f"file://{tmp_path}/media"))
    asked = reserved()

    @asynccontextmanager
    async def claimed_meanwhile():
        yield
        await store.claimed(operation_key("google", "operations/1"), "the-other-job")

    provider.before_submit_answer = claimed_meanwhile
    lane.runner._calls._is_surely_anothers = never_surely
    lane.receive(asked)
    await lane.until("GenerationFailed")
    assert failure_code(lane) == "SUBMISSION_UNKNOWN"
    assert provider.fetches == []


async def never_surely(*_: object) -> bool:
    return False
