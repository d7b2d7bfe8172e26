"""An operation belongs to one job (decision 0033); torture.md row 23."""

from contextlib import asynccontextmanager

from providers.protocol import Finished
from runtime.objects import open_media_store, operation_key
from runtime.settings import Settings
from schemas.generation import AlertRaised, GenerationFailed
from tests.processors.memory_lane import MemoryLane, failure_code, reserved


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
