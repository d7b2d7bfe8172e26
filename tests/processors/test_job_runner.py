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
from schemas.generation import AlertRaised, GenerationFailed
from tests.processors.memory_lane import ORDERS_MAX, failure_code, reserved
from tests.waiting import eventually

NOT_TAKEN = ProviderError(ProviderFault(kind="transient", started="no", message="busy", status=503))
LOST = ProviderError(ProviderFault(kind="transient", started="unknown", message="reset"))
GONE = ProviderError(ProviderFault(kind="permanent", started="unknown", message="no", status=404))


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
    gone_on, readable = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        gone_on.set()
        await readable.wait()

    @asynccontextmanager
    async def order():
        gone_on.set()
        yield

    monkeypatch.setattr(lane, "readable", wait)
    provider.before_submit_answer = order
    lane.receive(reserved())
    async with asyncio.timeout(5):
        await gone_on.wait()
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
