"""Audits one partition number of all topics, in one pass per topic. No I/O.

All of an account stands in one partition number of each topic, so a partition is judged by itself
and then forgotten: memory is that of the largest partition. Feed it in this order: dead letters,
state topics, `requests`, `ledger.events`, `generation.events`. To follow a log, call `look` and
feed what is new in the same order; memory is then that of all partitions, less what `forget` drops.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from domain.ledger_state import HAND_REFUND_WINDOW
from replay.account_fold import AccountFold
from replay.billing import Billing
from replay.causes import Causes
from replay.checks import FORGET_MARGIN, VIOLATIONS_SHOWN_MAX, Checks, Rules, Totals
from replay.generation_jobs import Delivery, GenerationJobs
from replay.ledger_jobs import LedgerJobs
from replay.read_model_fold import RowKey, RowValues
from replay.shown_rows import ShownRows, is_forgettable
from replay.unique_ids import RecentUniqueIds, UniqueIds, place
from runtime.event_log.state_reader import POSITIONS_KEY
from runtime.partitions import partition_of
from schemas.codec import ContractError
from schemas.envelope import Envelope
from schemas.ledger import LedgerEvent
from schemas.requests import GenerationRequested
from schemas.topics import (
    GENERATION_EVENTS,
    GENERATION_STATE,
    LEDGER_EVENTS,
    LEDGER_STATE,
    REQUESTS,
    TOPIC_BY_EVENT,
)

# Who decides each topic's records, and so knows how far that has gone.
READER_STATE: Mapping[str, str] = {
    REQUESTS.name: LEDGER_STATE.name,
    GENERATION_EVENTS.name: LEDGER_STATE.name,
    LEDGER_EVENTS.name: GENERATION_STATE.name,
}
_DEAD_LETTER_HEADERS = (
    "dead_letter_topic",
    "dead_letter_partition",
    "dead_letter_offset",
    "dead_letter_reason",
)
_positions = msgspec.json.Decoder(dict[str, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How much of a partition can be seen.

    `exact`: all topics were cut at one instant in which no transaction was open.
    `dead_letters_complete`: none has been deleted for its age.
    `read_model_offsets`: how far Postgres has applied each topic; None where it was not read.
    """

    namespace: str
    exact: bool
    dead_letters_complete: bool = True
    read_model_offsets: Mapping[str, int] | None = None


@dataclass(slots=True)
class Shared:
    """What the audits of all partitions add to; `following`: they are fed again and again."""

    rules: Rules
    following: bool = False
    checks: Checks = field(default_factory=Checks)
    totals: Totals = field(default_factory=Totals)
    event_ids: UniqueIds | RecentUniqueIds = field(default_factory=UniqueIds)
    operations: UniqueIds | RecentUniqueIds = field(default_factory=UniqueIds)
    billing: Billing | None = None


class PartitionAudit:
    """One partition number, fed record by record."""

    def __init__(self, number: int, view: View, shared: Shared) -> None:
        self.number = number
        self.view = view
        self.shared = shared
        checks, rules = shared.checks, shared.rules
        self.fold = AccountFold(checks, rules, number)
        self.jobs = LedgerJobs(checks, number)
        self.generation = GenerationJobs(
            checks,
            number,
            self.jobs.stories,
            shared.operations,
            reservations_complete=view.exact or rules.strict_end,
        )
        self.causes = Causes(checks, number)
        self.states: dict[str, dict[str, bytes]] = {
            LEDGER_STATE.name: {},
            GENERATION_STATE.name: {},
        }
        self.set_aside: set[tuple[str, int]] = set()
        self._positions: dict[str, dict[str, int]] = {}
        self.rows = ShownRows(view.read_model_offsets, following=shared.following)
        self._accounts_seen: set[str] = set()
        self._apply = {
            REQUESTS.name: self._request,
            LEDGER_EVENTS.name: self._ledger_event,
            GENERATION_EVENTS.name: self._generation_event,
        }

    @property
    def deliveries(self) -> list[Delivery]:
        """The files that completed jobs promise."""
        return self.generation.deliveries

    def look(self, view: View) -> None:
        """Begin to feed what is new since the last time."""
        self.view = view
        self.generation.reservations_complete = view.exact or self.shared.rules.strict_end
        if view.read_model_offsets is not None:
            self.rows.advance(view.read_model_offsets)

    def ledger_is_fed(self) -> None:
        """Go on with what the ledger's new events make possible, before the jobs' own events."""
        self.jobs.seen_before(self.position(LEDGER_EVENTS.name))
        self.generation.apply_early()

    def forget(self, now: datetime) -> None:
        """Drop what the ledger has forgotten too: jobs and keys that nothing can concern again."""
        before = now - HAND_REFUND_WINDOW - FORGET_MARGIN
        stories = self.jobs.stories
        over = [story for story in stories.values() if is_forgettable(story, before)]
        for story in over:
            del stories[story.job_id]
        self.rows.forget(over)
        self.fold.forget(now - FORGET_MARGIN)

    def position(self, topic: str) -> int:
        """Say how far a topic's own reader has decided it, by its state."""
        return self._positions.get(READER_STATE[topic], {}).get(topic, 0)

    def dead_letter(
        self, topic: str, offset: int, headers: Iterable[tuple[str, bytes | None]]
    ) -> None:
        """Take one record of `<topic>.dead-letter`."""
        at = f"{topic}.dead-letter[{self.number}]@{offset}"
        checks, totals = self.shared.checks, self.shared.totals
        checks.dead_letters.looked_at += 1
        texts = {name: (content or b"").decode(errors="replace") for name, content in headers}
        missing = [name for name in _DEAD_LETTER_HEADERS if not texts.get(name)]
        if missing:
            checks.dead_letters.wrong(f"{at} lacks {', '.join(missing)}")
        origin = texts.get("dead_letter_topic", "").removeprefix(self.view.namespace)
        original = texts.get("dead_letter_offset", "")
        if original.isdecimal():
            self.set_aside.add((origin, int(original)))
        reason = texts.get("dead_letter_reason") or "no reason"
        totals.dead_letters_by_reason[reason] += 1
        if len(totals.dead_letters) < VIOLATIONS_SHOWN_MAX:
            totals.dead_letters.append(f"{at}: {origin}[{self.number}]@{original}: {reason}")

    def state(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Take one record of a state topic; the newest of a key stands."""
        name = key.decode(errors="replace")
        if name == POSITIONS_KEY and value:
            namespace = self.view.namespace
            positions = _positions.decode(value)
            self._positions[topic] = {
                t.removeprefix(namespace): offset for t, offset in positions.items()
            }
        elif value:
            self.states[topic][name] = value
        else:
            self.states[topic].pop(name, None)

    def unreadable(self, topic: str, offset: int, error: ContractError) -> None:
        """Take one record that breaks the contract: whoever decides it must have set it aside."""
        check = self.shared.checks.contract
        check.looked_at += 1
        due = self.shared.rules.strict_end or offset < self.position(topic)
        if due and self.view.dead_letters_complete and (topic, offset) not in self.set_aside:
            at = place(topic, self.number, offset)
            check.wrong(f"{at} cannot be read ({error}) and is not among the dead letters")

    def event(self, topic: str, offset: int, envelope: Envelope) -> None:
        """Take one event of a public topic."""
        shared, event = self.shared, envelope.event
        shared.checks.contract.looked_at += 1
        shared.totals.events_by_topic[topic] += 1
        shared.event_ids.add(envelope.event_id, topic, self.number, offset)
        if event.account_id not in self._accounts_seen:
            self._accounts_seen.add(event.account_id)
            self._check_partition(topic, offset, event.account_id)
        if TOPIC_BY_EVENT[type(event)].name != topic:
            shared.checks.contract.wrong(
                f"{place(topic, self.number, offset)}: {envelope.event_type} of account "
                f"{event.account_id} belongs to {TOPIC_BY_EVENT[type(event)].name}"
            )
            return
        self._apply[topic](offset, envelope)
        account = self.fold.accounts.get(event.account_id) if topic == LEDGER_EVENTS.name else None
        self.rows.event(topic, offset, envelope, account)

    def _request(self, offset: int, envelope: Envelope) -> None:
        self.causes.requested(offset, envelope)
        if isinstance(envelope.event, GenerationRequested):
            self.jobs.requested(envelope.event)

    def _ledger_event(self, offset: int, envelope: Envelope) -> None:
        event = envelope.event
        assert isinstance(event, LedgerEvent), "its topic says so"
        self.causes.answered(offset, envelope)
        self.jobs.apply(
            offset, envelope, seen_by_generation=offset < self.position(LEDGER_EVENTS.name)
        )
        self.fold.apply(offset, event)

    def _generation_event(self, offset: int, envelope: Envelope) -> None:
        self.generation.apply(offset, envelope)
        self.causes.ended(envelope)

    def account_ids(self) -> list[str]:
        """List every account that this partition names."""
        return sorted(self._accounts_seen)

    def expected_rows(self, table: str, account_ids: Iterable[str]) -> dict[RowKey, RowValues]:
        """Give the rows that Postgres must have of some accounts, by table."""
        return self.rows.expected(table, account_ids)

    def _check_partition(self, topic: str, offset: int, account_id: str) -> None:
        number = partition_of(account_id, self.shared.rules.partition_count)
        if number != self.number:
            self.shared.checks.contract.wrong(
                f"{place(topic, self.number, offset)}: account {account_id} belongs to "
                f"partition {number}"
            )
