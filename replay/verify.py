"""`tape verify`: reads the whole log, the states, Postgres and the media, and checks everything.

It only reads: no group, no offset, no row and no topic of the system is touched.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime

from replay.audit import Audit
from replay.billing import SubmissionRow
from replay.checks import Checks, Report, Rules
from replay.feed import feed_all, rules_of
from replay.log_reader import LogReader, open_log
from replay.media_check import check_media
from replay.partition_audit import PartitionAudit, View
from replay.partition_end import check_end
from replay.read_models import TABLES, ReadModels, is_unreadable, open_read_models
from replay.row_check import check_of, check_offsets, compare_rows
from runtime.database import DatabaseUnavailable
from runtime.garbage import seldom_collected
from runtime.objects import MediaStore, open_media_store
from runtime.settings import Settings
from schemas.topics import PUBLIC_TOPICS

# 15 s: above the 10 s after which the broker ends a dead writer's transaction.
REST_WAIT_SECONDS = 15.0
# 1 s: lanes under load are between two transactions often enough to be caught so.
LIVE_WAIT_SECONDS = 1.0


async def verify(
    settings: Settings,
    *,
    submissions: Sequence[SubmissionRow] | None,
    now: datetime,
    strict_end: bool,
    media: bool = True,
) -> Report:
    """Check every invariant of torture.md section 1 that can be seen from outside.

    `submissions`: fetched before this call. `strict_end`: the system has come to rest, so every
    job must have ended and nothing may be left out. `media`: whether files are opened.
    Raises: TopicError, TimeoutError or KafkaError if the log cannot be read.
    """
    rules = rules_of(settings, now, strict_end=strict_end)
    with seldom_collected():
        return await _Verification(settings, Audit(rules, submissions), rules, media=media).run()


class _Verification:
    """One run: what is open while it lasts."""

    def __init__(self, settings: Settings, audit: Audit, rules: Rules, *, media: bool) -> None:
        self._settings = settings
        self._audit = audit
        self._checks: Checks = audit.checks
        self._rules = rules
        self._read_models: ReadModels | None = None
        self._rows_seen: Counter[str] = Counter()
        self._account_ids: list[str] = []
        self._media = media
        self._store: MediaStore | None = None

    async def run(self) -> Report:
        """1. Take a snapshot of Postgres, 2. read each partition past it, 3. compare."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close_store)
            try:  # 1.
                self._read_models = await stack.enter_async_context(
                    open_read_models(self._settings)
                )
            except DatabaseUnavailable as error:
                self._without_read_models(str(error))
            log = await stack.enter_async_context(open_log(self._settings))
            for number in range(self._settings.partition_count):
                await self._partition(log, number)  # 2.
            await self._compare_counts()  # 3.
        return self._audit.report()

    async def _close_store(self) -> None:
        if self._store is not None:
            await self._store.close()

    async def _partition(self, log: LogReader, number: int) -> None:
        wait_seconds = REST_WAIT_SECONDS if self._rules.strict_end else LIVE_WAIT_SECONDS
        cut = await log.cut(number, wait_seconds)
        shown = self._read_models.next_offsets(number) if self._read_models is not None else None
        part = self._audit.partition(
            number,
            View(
                namespace=self._settings.namespace,
                exact=cut.exact,
                dead_letters_complete=not any(cut.begins[t.dead_letter] for t in PUBLIC_TOPICS),
                read_model_offsets=shown,
            ),
        )
        await feed_all(log, part, cut)
        check_end(part)
        check_offsets(part, shown or {}, dict(cut.ends))
        self._account_ids.extend(part.account_ids())
        await self._compare_rows(part)
        await self._check_media(part)

    async def _compare_rows(self, part: PartitionAudit) -> None:
        if self._read_models is None:
            return
        try:
            self._rows_seen += await compare_rows(self._read_models, part, part.account_ids())
        except Exception as error:
            if not is_unreadable(error):
                raise
            self._without_read_models(f"Postgres went away: {error}")

    async def _compare_counts(self) -> None:
        """Find rows of accounts that no partition of the log names."""
        if self._read_models is None:
            return
        try:
            for table in TABLES:
                count = await self._read_models.row_count(table)
                seen = self._rows_seen[table.name]
                if count != seen:
                    strangers = await self._read_models.strangers(table, self._account_ids)
                    check_of(self._checks, table).wrong(
                        f"{table.name} has {count - seen} rows of accounts that the log does not "
                        f"know: {', '.join(strangers)}"
                    )
        except Exception as error:
            if not is_unreadable(error):
                raise
            self._without_read_models(f"Postgres went away: {error}")

    async def _check_media(self, part: PartitionAudit) -> None:
        check = self._checks.media
        if not self._media:
            check.note = "not looked at: only where asked for"
            return
        if part.deliveries:
            self._store = self._store or open_media_store(self._settings)
            await check_media(check, self._store, part.deliveries)

    def _without_read_models(self, reason: str) -> None:
        self._read_models = None
        for table in TABLES:
            check_of(self._checks, table).not_looked_at(reason, strict_end=self._rules.strict_end)
