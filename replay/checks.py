"""The named checks of an audit and what each of them found. No I/O, no rules here."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.generation_state import Limits
from replay.remedies import REMEDIES

# 20: enough to see a pattern; the count beside them tells how many there are.
VIOLATIONS_SHOWN_MAX = 20
# 10,000 per check: beyond that a log that is followed may name one thing twice.
VIOLATIONS_REMEMBERED_MAX = 10_000
# 60 s: invariant 6 of torture.md.
RESERVATION_GRACE = timedelta(seconds=60)
# 1 h: a worker's clock may run ahead by that much (torture.md row 12) and forget so early.
FORGET_MARGIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the log is held against.

    `active_jobs_max` is the limit of today: the log does not carry the one that was in force.
    `strict_end`: everything must have come to rest and every job to its end.
    """

    limits: Limits
    active_jobs_max: int
    partition_count: int
    now: datetime
    strict_end: bool


@dataclass(slots=True)
class Check:
    """One invariant: how much was held against it, and what did not keep it.

    Shape: `name` is unique; `id` lists the invariants. `violations` has the first 20;
    `violation_count` counts all.
    """

    name: str
    id: str
    sentence: str
    looked_at: int = 0
    violations: list[str] = field(default_factory=list)
    violation_count: int = 0
    note: str = ""
    _taken: set[str] = field(default_factory=set)

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return self.violation_count == 0

    @property
    def remedy(self) -> str:
        """What a person can do where it does not hold."""
        return REMEDIES[self.name]

    def wrong(self, text: str) -> None:
        """Take down one violation, in words that name its place."""
        if text in self._taken:
            return
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_SHOWN_MAX:
            self.violations.append(text)

    def take(self) -> tuple[list[str], int]:
        """Take away what is wrong since the last call, and count what is not among it.

        What was taken is not taken down again: a log that is followed shows it in every round.
        """
        texts, count = self.violations, self.violation_count
        self.violations, self.violation_count = [], 0
        if len(self._taken) < VIOLATIONS_REMEMBERED_MAX:
            self._taken.update(texts)
        return texts, count - len(texts)

    def not_looked_at(self, reason: str, *, strict_end: bool) -> None:
        """Say that something could not be checked: a violation only where it must be."""
        self.note = reason
        if strict_end:
            self.wrong(reason)


class Checks:
    """Every check of an audit; ids are those of torture.md section 1 (T) and of the rows I01-I44.

    Each is written in the sentence that it prints.
    """

    def __init__(self) -> None:
        self.sums = Check(
            "sums",
            "T1 I03",
            "Per account granted = available + reserved + settled, and none is negative",
        )
        self.chain = Check(
            "chain", "T1 I02", "Each balance_after is the one before plus its own amount"
        )
        self.sequence = Check("sequence", "T1 I18", "Each account's sequence rises by exactly 1")
        self.causes = Check(
            "causes",
            "T1 I01 I44",
            "Each ledger event answers one request or job end on the log, once",
        )
        self.decisions = Check(
            "decisions",
            "T2 I04",
            "Each request is answered; a job is reserved or declined, once, when asked for",
        )
        self.closings = Check(
            "closings",
            "T2 I05 I08",
            "Each reservation is settled or refunded once, whole, as its job ended",
        )
        self.hand_refunds = Check(
            "hand_refunds",
            "T3 I01 I05",
            "Each refund by hand follows a settlement, once, whole and in time, with its reason",
        )
        self.keys = Check(
            "keys", "I11 I12", "One account and one idempotency key buy at most one job"
        )
        self.active_jobs = Check(
            "active_jobs", "I17", "No account has more active jobs than its limit"
        )
        self.delivered = Check(
            "delivered", "T3 I06", "No job is both delivered and refunded, save by hand"
        )
        self.intents = Check(
            "intents", "T3 I07", "No provider is called for a job without a reservation"
        )
        self.operations = Check(
            "operations", "I13", "One job has one provider operation, and one operation one"
        )
        self.steps = Check("steps", "I20", "A job moves along its statuses only, and leaves no end")
        self.failures = Check(
            "failures", "I22", "Each failed job says why, in the same words everywhere"
        )
        self.billing = Check(
            "billing", "T4", "No job is billed twice, and nothing is billed without a job"
        )
        self.ledger_state = Check(
            "ledger_state", "T5", "ledger.state equals the fold of ledger.events"
        )
        self.generation_state = Check(
            "generation_state", "T5", "generation.state equals the fold of both event topics"
        )
        self.accounts = Check("accounts", "T5 I16", "Postgres accounts equal the fold of the log")
        self.credit_transactions = Check(
            "credit_transactions", "T5 I01 I16", "Postgres transactions equal the log's"
        )
        self.generations = Check(
            "generations", "T5 I16", "Postgres generations equal the fold of the log"
        )
        self.deadlines = Check(
            "deadlines", "T6 I19", "No reservation is older than its job's deadline + 60 s"
        )
        self.event_ids = Check("event_ids", "T7", "Every event id is unique across the topics")
        self.media = Check("media", "I21", "Each completed job's file is in the store, whole")
        self.contract = Check(
            "contract",
            "T1 I18 I44",
            "Each record is in its topic and partition, readable or set aside",
        )
        self.dead_letters = Check(
            "dead_letters", "T2", "Each dead letter says where it comes from and why"
        )

    def all(self) -> list[Check]:
        """List the checks in the order of the invariants."""
        return list(vars(self).values())


@dataclass(slots=True)
class Totals:
    """What the log holds, counted."""

    accounts: int = 0
    granted_credits: int = 0
    available_credits: int = 0
    reserved_credits: int = 0
    settled_credits: int = 0
    refunded_credits: int = 0
    refunded_by_hand_credits: int = 0
    jobs_by_status: Counter[str] = field(default_factory=Counter)
    events_by_topic: Counter[str] = field(default_factory=Counter)
    dead_letters_by_reason: Counter[str] = field(default_factory=Counter)
    dead_letters: list[str] = field(default_factory=list)
    unknown_outcomes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an audit."""

    checks: list[Check]
    totals: Totals

    @property
    def ok(self) -> bool:
        """Whether every check that was made holds."""
        return all(check.ok for check in self.checks)

    @property
    def violation_count(self) -> int:
        """How many violations there are in all."""
        return sum(check.violation_count for check in self.checks)
