"""From the provider's first word to the end: polled, downloaded, ended once."""

from functools import partial

import pytest

from domain.failures import (
    download_failed,
    provider_fault,
    safety_blocked,
    timed_out,
)
from domain.generation import decide, evolve
from domain.generation_commands import (
    CheckDeadline,
    RecordMedia,
    RecordMediaFailure,
    RecordOutput,
    RecordPoll,
    RecordPollFault,
    RecordRefusal,
)
from domain.generation_state import Limits
from tests.domain.examples import AT, MEDIA, MINUTE, SECOND, TICK, video
from tests.domain.job_examples import (
    SOURCE,
    alert,
    completed,
    downloading,
    failed,
    intended,
    polled,
    submitted,
)
from tests.domain.job_starts import (
    DEADLINE,
    FULL_STORE,
    GONE,
    LATE_DOWNLOAD,
    given,
    in_download,
    processing,
)
from tests.domain.ledger_answers import reserved
from tests.spec import Spec

# Polls.


@pytest.mark.parametrize("progress", [None, 0, 7, 100])
def test_the_first_poll_is_written(progress):
    processing().when(RecordPoll(AT, "queued", progress)).then(polled(progress, state="queued"))


def test_a_change_of_the_providers_state_is_written_at_once():
    processing().given(polled(state="queued")).when(RecordPoll(AT, "running")).then(polled())


def test_a_change_of_progress_is_written_at_once():
    processing().given(polled(7)).when(RecordPoll(AT, "running", 8)).then(polled(8))
    processing().given(polled()).when(RecordPoll(AT, "running", 0)).then(polled(0))


@pytest.mark.parametrize("progress", [None, 0, 7])
def test_an_unchanged_poll_is_written_every_thirty_seconds_at_most(progress):
    """S0-45; design.md section 2."""
    start = processing().given(polled(progress))
    early, due = AT + 30 * SECOND - SECOND / 10, AT + 30 * SECOND
    start.when(RecordPoll(early, "running", progress)).then()
    start.when(RecordPoll(due, "running", progress)).then(polled(progress, due))


def test_the_thirty_seconds_count_from_the_last_poll_written():
    start = processing().given(polled(7), polled(7, AT + 30 * SECOND))
    start.when(RecordPoll(AT + 59 * SECOND, "running", 7)).then()
    start.when(RecordPoll(AT + 60 * SECOND, "running", 7)).then(polled(7, AT + 60 * SECOND))


@pytest.mark.parametrize("progress", [None, 0, 49])
def test_a_provider_that_goes_back_is_shown_where_it_was(progress):
    """I41."""
    start = processing().given(polled(50))
    start.when(RecordPoll(AT, "running", progress)).then()
    due = AT + 30 * SECOND
    start.when(RecordPoll(due, "running", progress)).then(polled(50, due))


def test_a_provider_that_stops_telling_is_shown_where_it_was_even_at_zero():
    """I41: 0 percent does not become unknown again."""
    processing().given(polled(0)).when(RecordPoll(AT, "running", None)).then()


def test_a_move_in_the_providers_queue_is_written_at_once():
    start = processing().given(polled(state="queued", position=3))
    start.when(RecordPoll(AT, "queued", None, 3)).then()
    start.when(RecordPoll(AT, "queued", None, 2)).then(polled(state="queued", position=2))
    start.when(RecordPoll(AT, "queued", None, 0)).then(polled(state="queued", position=0))


@pytest.mark.parametrize("position", [None, 2, 9])
def test_a_job_that_falls_back_in_the_queue_is_shown_where_it_was(position):
    start = processing().given(polled(state="queued", position=1))
    start.when(RecordPoll(AT, "queued", None, position)).then()
    due = AT + 30 * SECOND
    start.when(RecordPoll(due, "queued", None, position)).then(
        polled(at=due, state="queued", position=1)
    )


def test_work_that_runs_has_no_place_in_the_queue():
    start = processing().given(polled(state="queued", position=1))
    start.when(RecordPoll(AT, "running", None, 1)).then(polled())
    start.given(polled()).when(RecordPoll(AT, "running", None, 0)).then()
    back = start.given(polled()).when(RecordPoll(AT, "queued", None, 2))
    back.then(polled(state="queued", position=1))


def test_the_gap_between_polls_is_the_one_in_force():
    limits = Limits(poll_event_gap=SECOND)
    start = Spec(None, partial(decide, limits=limits), evolve).given(
        reserved(), intended(), submitted(), polled()
    )
    start.when(RecordPoll(AT + SECOND, "running")).then(polled(at=AT + SECOND))


# The deadline of fifteen minutes.


def test_a_job_that_is_polled_at_its_deadline_has_timed_out():
    """S0-80, S0-50, I19."""
    before = DEADLINE - TICK
    processing().when(RecordPoll(before, "running")).then(polled(at=before))
    processing().when(RecordPoll(DEADLINE, "running")).then(
        failed(timed_out(15 * MINUTE), DEADLINE)
    )


def test_a_job_that_is_never_polled_times_out_all_the_same():
    """S0-50, I19."""
    processing().when(CheckDeadline(DEADLINE - TICK)).then()
    processing().when(CheckDeadline(DEADLINE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_the_time_out_says_how_long_the_job_really_took():
    """S0-87."""
    late = AT + 15 * MINUTE + 12 * SECOND
    processing().when(CheckDeadline(late)).then(failed(timed_out(late - AT), late))


def test_a_success_at_the_last_moment_is_a_success():
    before = DEADLINE - TICK
    processing().when(RecordOutput(before, SOURCE)).then(downloading(before))


def test_a_success_that_comes_too_late_is_not_delivered():
    """C14, I06."""
    processing().when(RecordOutput(DEADLINE, SOURCE)).then(failed(timed_out(15 * MINUTE), DEADLINE))


def test_a_success_after_the_time_out_changes_nothing():
    """C14, I06, I20."""
    timed = processing().given(failed(timed_out(15 * MINUTE), DEADLINE))
    timed.when(RecordOutput(DEADLINE, SOURCE)).then()
    timed.when(RecordMedia(DEADLINE, MEDIA)).then()


def test_the_limit_is_the_one_in_force():
    """S0-102."""
    limits = Limits(generation_timeout=MINUTE)
    start = Spec(None, partial(decide, limits=limits), evolve).given(
        reserved(), intended(), submitted()
    )
    start.when(CheckDeadline(AT + MINUTE)).then(failed(timed_out(MINUTE), AT + MINUTE))


# What the provider says at the end.


def test_a_refusal_ends_the_job_with_the_filters_reasons():
    """S0-79, S0-86, I23."""
    processing().when(RecordRefusal(AT, ("violence",))).then(failed(safety_blocked(("violence",))))


def test_a_job_the_provider_lost_or_failed_ends():
    processing().when(RecordPollFault(AT, GONE)).then(failed(provider_fault(GONE), fault=GONE))


def test_a_finished_job_is_downloaded_before_it_counts_as_done():
    """S0-54, S0-66, I21."""
    processing().when(RecordOutput(AT, SOURCE)).then(downloading())
    named = RecordOutput(AT, SOURCE, "video_8f2c")
    processing().when(named).then(downloading(video_id="video_8f2c"))


# The download.


@pytest.mark.parametrize(("seconds", "cost"), [(4, 1_600_000), (6, 2_400_000), (8, 3_200_000)])
def test_a_stored_file_completes_the_job_and_says_what_it_cost_us(seconds, cost):
    """S0-64, I37."""
    start = given(reserved(settings=video(seconds)), intended(), submitted(), downloading())
    start.when(RecordMedia(AT, MEDIA)).then(
        completed().model_copy(update={"cost_micro_dollars": cost})
    )


def test_a_file_that_cannot_be_fetched_fails_the_job():
    """S0-65, S0-81."""
    failure = download_failed("HTTP 404", 3)
    in_download().when(RecordMediaFailure(AT, failure)).then(failed(failure))


def test_a_store_that_takes_no_file_fails_the_job_and_operators_are_told_before_it_ends():
    """S0-82."""
    in_download().when(RecordMediaFailure(AT, FULL_STORE)).then(
        alert(FULL_STORE, phase="store", message="quota: disk full"), failed(FULL_STORE)
    )


def test_the_fifteen_minutes_do_not_count_for_the_download():
    """Section (c): the 15 min clock is about generation."""
    start = processing().given(downloading(DEADLINE - TICK))
    start.when(CheckDeadline(DEADLINE)).then()
    start.when(RecordMedia(DEADLINE, MEDIA)).then(completed(DEADLINE))


def test_a_download_has_ten_minutes_of_its_own():
    """S0-57, I19: never stuck."""
    start, limit = in_download(), AT + 10 * MINUTE
    start.when(CheckDeadline(limit - TICK)).then()
    start.when(CheckDeadline(limit)).then(failed(LATE_DOWNLOAD, limit))


def test_a_refusal_names_the_filters_category_and_confidence_where_the_provider_does():
    """S0-86."""
    refusal = RecordRefusal(AT, ("blood",), "violence", 0.93)
    failure = safety_blocked(("blood",), "violence", 0.93)
    assert failure.details == {"category": "violence", "confidence": 0.93, "reasons": ("blood",)}
    assert "violence" in failure.suggested_action
    processing().when(refusal).then(failed(failure))
