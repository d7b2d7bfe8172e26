"""A log that is followed while faults are planted in it, in Postgres and in the bill."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError

from replay import follow as following
from replay import log_reader
from replay.audit import Audit
from replay.billing import SubmissionRow
from replay.feed import feed_new
from replay.follow import Round, follow
from replay.log_reader import LogReader
from replay.partition_audit import View
from replay.submissions import SubmissionsError
from runtime.settings import Settings
from runtime.topics import TopicError
from schemas.codec import Record, encode
from tests.replay.tape import (
    PARTITION,
    execute,
    project,
    put_new_on_tape,
    put_on_tape,
    send,
    transactions,
    world_with_media,
)
from tests.replay.world import World, media, rules, uuid

DEADLINE_SECONDS = 20.0


def bill(*jobs: str) -> list[SubmissionRow]:
    return [
        SubmissionRow(
            "google", "veo", f"op-{job}", f"prompt of {job}", "2026-11-21T12:00:00Z", billed=True
        )
        for job in jobs
    ]


class Followed:
    """A log that is followed: its rounds, and the provider's list as it is now."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.submissions: Sequence[SubmissionRow] | SubmissionsError = bill("j1", "j2")
        self.after = timedelta()
        self._world = world
        self.rounds: AsyncGenerator[Round, None] = follow(
            settings, fetch=self._fetch, now=lambda: world.now + self.after
        )

    async def _fetch(self) -> Sequence[SubmissionRow]:
        if isinstance(self.submissions, SubmissionsError):
            raise self.submissions
        return self.submissions

    async def round(self) -> Round:
        return await asyncio.wait_for(anext(self.rounds), DEADLINE_SECONDS)

    async def first_wrong(self) -> str:
        """Go on until something is wrong; give what, after its check's name."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                found = (await self.round()).findings
                if found:
                    return f"{found[0].check.name}: {found[0].text}"


@pytest.fixture
async def world(settings: Settings, tmp_path: Path) -> World:
    """A world that is on the tape, shown in Postgres, and whose media are stored."""
    world = world_with_media(tmp_path)
    await put_on_tape(settings, world)
    await project(settings, world)
    return world


@pytest.fixture
async def followed(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Followed]:
    """A log that holds so far, looked at without pauses."""
    monkeypatch.setattr(following, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(following, "WHOLE_SECONDS", 0.0)
    followed = Followed(settings, world)
    async with aclosing(followed.rounds):
        first = await followed.round()
        assert first.findings == []
        assert first.notes == {}
        assert first.events == sum(len(entries) for entries in world.log.values())
        yield followed


async def test_a_job_that_goes_on_while_it_is_followed_keeps_every_invariant(
    settings: Settings, world: World, followed: Followed
):
    """Each step is read by itself: what the whole log shows at once comes in many rounds."""
    async with put_new_on_tape(settings, world) as put:
        world.request("j3")
        world.request("j4")
        await put()
        assert (await followed.round()).findings == []
        world.run()
        await put()
        assert (await followed.round()).open_jobs == 1  # the other has no credits left
        world.submit("j3")
        await put()
        followed.submissions = bill("j1", "j2", "j3")
        assert (await followed.round()).findings == []
        world.cancel("j3")
        world.run()
        await put()
        assert (await followed.round()).findings == []
        world.fail_poll("j3")
        await put()
        await project(settings, world)
        last = await followed.round()
    assert last.findings == []
    assert last.open_jobs == 0
    assert last.events == sum(len(entries) for entries in world.log.values())


async def test_a_wrong_balance_is_named_when_it_comes_T1(
    settings: Settings, world: World, followed: Followed
):
    async with put_new_on_tape(settings, world) as put:
        world.grant(key="second")
        world.run()
        offset, granted = world.log["ledger.events"][-1]
        event = granted.event.model_copy(update={"balance_after": 1})
        world.log["ledger.events"][-1] = (offset, replace(granted, event=event))
        await put()
    text = await followed.first_wrong()
    assert f"ledger.events[{PARTITION}]@{offset}: account alice has" in text


async def test_a_record_that_is_written_twice_is_named_with_both_places_T7(
    settings: Settings, world: World, followed: Followed
):
    async with transactions(settings) as producer, producer.transaction():
        await send(producer, settings, "requests", encode(world.log["requests"][0][1]))
    assert await followed.first_wrong() == (
        f"event_ids: one event id stands at requests[{PARTITION}]@0, requests[{PARTITION}]@6"
    )


async def test_a_row_that_is_changed_long_after_its_event_is_named_T5(
    settings: Settings, followed: Followed
):
    await execute(settings, "UPDATE generations SET size_bytes = 1 WHERE status = 'completed'")
    assert await followed.first_wrong() == (
        f"generations: generations {uuid('j1')}: size_bytes is 1, the log says 2000"
    )


async def test_a_state_that_is_taken_away_is_named_T5(settings: Settings, followed: Followed):
    async with transactions(settings) as producer, producer.transaction():
        await send(producer, settings, "ledger.state", Record(b"account/alice", None, ()))
    assert (await followed.first_wrong()).startswith(
        f"ledger_state: ledger.state[{PARTITION}] key account/alice has no such key"
    )


async def test_a_bill_that_doubles_is_named_with_its_job_T4(followed: Followed):
    followed.submissions = bill("j1", "j1", "j2")
    assert (
        await followed.first_wrong()
        == f"billing: job {uuid('j1')} of account alice was billed 2 times"
    )


async def test_an_order_is_held_against_the_log_only_at_the_second_look_T4(followed: Followed):
    """A broker says that an intent is committed before readers see it; the order may be between."""
    followed.submissions = bill("j1", "j2", "j9")
    assert (await followed.round()).findings == []
    texts = [finding.text for finding in (await followed.round()).findings]
    assert "google op-j9 (jobs []): the same prompt was billed 1 times for 0 jobs" in texts


async def test_a_reservation_that_outlives_its_deadline_is_named_as_time_goes_by_T6(
    settings: Settings, world: World, followed: Followed
):
    async with put_new_on_tape(settings, world) as put:
        world.request("j3")
        world.run()
        await put()
    assert (await followed.round()).findings == []
    followed.after = timedelta(hours=1)
    text = await followed.first_wrong()
    assert text.startswith(f"deadlines: ledger.events[{PARTITION}]@")
    assert f"job {uuid('j3')} of account alice is pending, its deadline was" in text


async def test_a_refund_of_what_was_delivered_rounds_ago_is_named_T3(
    settings: Settings, world: World, followed: Followed
):
    refund = world.envelope("ledger.events", "CreditsRefunded").event
    stray = refund.model_copy(update={"job_id": uuid("j1"), "sequence": 6})
    envelope = replace(world.envelope("ledger.events", "CreditsRefunded"), event=stray)
    async with transactions(settings) as producer, producer.transaction():
        await send(
            producer, settings, "ledger.events", encode(replace(envelope, event_id=uuid("x")))
        )
    found: list[str] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not found:
            found = [f"{f.check.name}: {f.text}" for f in (await followed.round()).findings]
    assert any(text.startswith("delivered: ledger.events") and uuid("j1") in text for text in found)


async def test_what_stays_wrong_is_named_once(settings: Settings, followed: Followed):
    await execute(settings, "UPDATE accounts SET granted_credits = 101")
    await followed.first_wrong()
    for _ in range(3):
        assert (await followed.round()).findings == []


async def test_a_file_that_is_missing_is_named_I21(
    settings: Settings, world: World, tmp_path: Path
):
    (tmp_path / media("j1").object_key).unlink()
    followed = Followed(settings, world)
    async with aclosing(followed.rounds):
        assert f"of job {uuid('j1')} is missing" in await followed.first_wrong()


async def test_what_cannot_be_looked_at_is_said_and_looked_at_later(followed: Followed):
    followed.submissions = SubmissionsError("no answer")
    assert (await followed.round()).notes == {"bill": "no answer"}
    followed.submissions = bill("j1", "j2")
    assert (await followed.round()).notes == {}


async def test_a_broker_that_is_away_is_asked_again_for_a_time(
    settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(following, "ROUND_SECONDS", 0.01)
    away = True

    @asynccontextmanager
    async def open_log(of: Settings) -> AsyncIterator[LogReader]:
        if away:
            raise KafkaConnectionError("planted")
        async with log_reader.open_log(of) as log:
            yield log

    monkeypatch.setattr(following, "open_log", open_log)
    followed = Followed(settings, world)
    async with aclosing(followed.rounds):
        assert "the broker is away" in (await followed.round()).notes["log"]
        away = False
        assert (await followed.round()).events == sum(len(e) for e in world.log.values())
    away = True
    monkeypatch.setattr(following, "AWAY_SECONDS_MAX", -1.0)
    with pytest.raises(KafkaConnectionError):
        await Followed(settings, world).round()


async def test_records_that_are_taken_from_the_log_are_named(settings: Settings, world: World):
    positions = {("requests", PARTITION): 1000}
    part = Audit.following(rules(world.now, partition_count=2)).partition(
        PARTITION, View(namespace=settings.namespace, exact=True)
    )
    async with log_reader.open_log(settings) as log:
        await feed_new(log, part, await log.cut(PARTITION, 1.0), positions)
    assert part.shared.checks.contract.violations == [
        f"requests[{PARTITION}] ends at 6 and was read to 1000: records were taken from the log"
    ]


async def test_topics_that_are_not_there_are_an_error(settings: Settings, world: World):
    other = settings.model_copy(update={"namespace": "nobody."})
    followed = Followed(other, world)
    with pytest.raises(TopicError, match=r"no topic .*nobody\.requests"):
        await followed.round()
