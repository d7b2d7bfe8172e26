"""`tape verify --follow`: checks a log as it grows, round after round, until it is stopped.

What stands on the log is read once and kept as long as the ledger itself remembers it, so memory is
that of the accounts, of the open jobs and of 30 days of ended ones. It only reads.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime

from aiokafka.errors import KafkaError

from domain.ledger_state import HAND_REFUND_WINDOW
from replay.audit import Audit
from replay.billing import SubmissionRow
from replay.checks import Check
from replay.feed import feed_new, rules_of
from replay.log_reader import LogReader, open_log
from replay.media_check import check_media
from replay.partition_audit import PartitionAudit, View
from replay.partition_end import add_totals, check_open, check_states
from replay.read_models import ReadModels, is_unreadable, open_read_models
from replay.row_check import check_offsets, compare_rows
from replay.submissions import SubmissionsError
from runtime.clock import monotonic_seconds, utc_now
from runtime.database import DatabaseUnavailable
from runtime.objects import MediaStore, open_media_store
from runtime.settings import Settings
from schemas.topics import PUBLIC_TOPICS

# 1 s between two rounds, as torture.md section 1 asks.
ROUND_SECONDS = 1.0
# 200 ms: lanes under load are between two transactions often enough to be caught so now and then.
CUT_WAIT_SECONDS = 0.2
# 10 s: the bill and the states are compared whole, which takes time with the length of a log.
WHOLE_SECONDS = 10.0
# 200 accounts a round and partition are compared again though nothing happened to them.
ACCOUNTS_SWEPT_PER_ROUND = 200
# 10 min without a broker: somebody should look.
AWAY_SECONDS_MAX = 600.0

FetchSubmissions = Callable[[], Awaitable[Sequence[SubmissionRow]]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, found for the first time."""

    check: Check
    text: str


@dataclass(frozen=True, slots=True)
class Round:
    """What one round saw. `notes`: what could not be looked at, by what it is."""

    at: datetime
    events: int = 0
    accounts: int = 0
    open_jobs: int = 0
    findings: list[Finding] = field(default_factory=list)
    findings_hidden: int = 0
    notes: dict[str, str] = field(default_factory=dict)


async def follow(
    settings: Settings, *, fetch: FetchSubmissions | None, now: Callable[[], datetime] = utc_now
) -> AsyncGenerator[Round, None]:
    """Give a round each second, the first when the whole log was read.

    `fetch`: asks the provider for its submissions; None where there is none to ask.
    Raises: TopicError; TimeoutError or KafkaError when the broker was away for 10 minutes.
    """
    follower = _Follower(settings, fetch, now)
    seen_at = monotonic_seconds()
    try:
        while True:
            try:
                async with open_log(settings) as log:
                    while True:
                        yield await follower.round(log)
                        seen_at = monotonic_seconds()
                        await asyncio.sleep(ROUND_SECONDS)
            except (KafkaError, TimeoutError) as error:
                if monotonic_seconds() - seen_at > AWAY_SECONDS_MAX:
                    raise
                yield Round(now(), notes={"log": f"the broker is away: {error!r}"})
                await asyncio.sleep(ROUND_SECONDS)
    finally:
        await follower.close()


class _Follower:
    """What is kept from round to round."""

    def __init__(
        self, settings: Settings, fetch: FetchSubmissions | None, now: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._now = now
        self._audit = Audit.following(rules_of(settings, now(), strict_end=False))
        self._parts: dict[int, PartitionAudit] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._sweeps: dict[int, deque[str]] = {}
        self._states_at: dict[int, float] = {}
        self._bill_at = float("-inf")
        self._bill_length = 0
        self._notes: dict[str, str] = {}
        self._store: MediaStore | None = None

    async def close(self) -> None:
        """Let go of the media store."""
        if self._store is not None:
            await self._store.close()

    async def round(self, log: LogReader) -> Round:
        """1. Ask for the bill, 2. take a snapshot of Postgres, 3. read past both, 4. compare."""
        at = self._now()
        self._notes = {}
        submissions = await self._submissions(at)  # 1.
        self._audit.look(rules_of(self._settings, at, strict_end=False), submissions)
        async with AsyncExitStack() as stack:
            read_models: ReadModels | None = None
            try:  # 2.
                read_models = await stack.enter_async_context(open_read_models(self._settings))
            except DatabaseUnavailable as error:
                self._notes["Postgres"] = str(error)
            for number in range(self._settings.partition_count):
                await self._partition(log, number, read_models, at)  # 3. and 4.
        self._audit.check_ids()
        if submissions is not None:
            self._audit.check_bill()
        return self._round(at)

    async def _submissions(self, at: datetime) -> Sequence[SubmissionRow] | None:
        if self._fetch is None:
            self._notes["bill"] = "no provider was asked for its submissions"
            return None
        if monotonic_seconds() < self._bill_at + WHOLE_SECONDS:
            return None
        try:
            rows = await self._fetch()
        except SubmissionsError as error:
            self._notes["bill"] = str(error)
            return None
        self._bill_at = monotonic_seconds()
        # Not what is new on the list: a broker says that an intent is committed before it shows it
        # to readers (its markers follow), and the provider may have the order in between.
        settled, self._bill_length = rows[: self._bill_length], len(rows)
        # Jobs that were forgotten cannot speak for older ones.
        first = (at - HAND_REFUND_WINDOW).isoformat()[:19]
        return [row for row in settled if row.received_at >= first]

    async def _partition(
        self, log: LogReader, number: int, read_models: ReadModels | None, at: datetime
    ) -> None:
        cut = await log.cut(number, CUT_WAIT_SECONDS)
        shown = None if read_models is None else read_models.next_offsets(number)
        view = View(
            namespace=self._settings.namespace,
            exact=cut.exact,
            dead_letters_complete=not any(cut.begins[t.dead_letter] for t in PUBLIC_TOPICS),
            read_model_offsets=shown,
        )
        part = self._parts.get(number)
        if part is None:
            part = self._parts[number] = self._audit.partition(number, view)
        part.look(view)
        await feed_new(log, part, cut, self._positions)
        check_open(part)
        self._check_states(part)
        if read_models is not None and shown is not None:
            check_offsets(part, shown, dict(cut.ends))
            await self._compare_rows(read_models, part)
        await self._check_media(part)
        add_totals(part)
        part.forget(at)

    def _check_states(self, part: PartitionAudit) -> None:
        due = monotonic_seconds() >= self._states_at.get(part.number, float("-inf")) + WHOLE_SECONDS
        if part.view.exact and due:
            check_states(part)
            self._states_at[part.number] = monotonic_seconds()

    async def _compare_rows(self, read_models: ReadModels, part: PartitionAudit) -> None:
        """Compare the accounts to which something happened, and some others in turn."""
        if part.rows.fault:
            self._notes[f"rows of partition {part.number}"] = part.rows.fault
            return
        sweep = self._sweeps.setdefault(part.number, deque())
        if not sweep:
            sweep.extend(part.account_ids())
        swept = {sweep.popleft() for _ in range(min(len(sweep), ACCOUNTS_SWEPT_PER_ROUND))}
        try:
            await compare_rows(read_models, part, sorted(part.rows.changed | swept))
        except Exception as error:
            if not is_unreadable(error):
                raise
            self._notes["Postgres"] = f"Postgres went away: {error}"
        else:
            part.rows.changed.clear()

    async def _check_media(self, part: PartitionAudit) -> None:
        if part.deliveries:
            self._store = self._store or open_media_store(self._settings)
            await check_media(self._audit.checks.media, self._store, part.deliveries)
            part.deliveries.clear()

    def _round(self, at: datetime) -> Round:
        findings: list[Finding] = []
        hidden = 0
        for check in self._audit.checks.all():
            texts, more = check.take()
            findings.extend(Finding(check, text) for text in texts)
            hidden += more
        totals = self._audit.totals
        stories = (story for part in self._parts.values() for story in part.jobs.stories.values())
        return Round(
            at,
            events=totals.events_by_topic.total(),
            accounts=totals.accounts,
            open_jobs=sum(story.open for story in stories),
            findings=findings,
            findings_hidden=hidden,
            notes=self._notes,
        )
