"""The audit of a whole log, partition by partition, and its report. No I/O."""

from collections.abc import Sequence
from typing import Self

from replay.billing import Billing, SubmissionRow
from replay.checks import Checks, Report, Rules, Totals
from replay.partition_audit import PartitionAudit, Shared, View
from replay.unique_ids import RecentUniqueIds


class Audit:
    """Holds a log against every invariant that the log alone can show.

    `submissions`: the providers' own list of what they were asked; None where there is none.
    """

    def __init__(self, rules: Rules, submissions: Sequence[SubmissionRow] | None) -> None:
        billing = None if submissions is None else Billing(submissions)
        self._shared = Shared(rules, billing=billing)

    @classmethod
    def following(cls, rules: Rules) -> Self:
        """Begin an audit that goes on: ids are compared with the latest only, totals start anew."""
        audit = cls(rules, None)
        audit._shared = Shared(
            rules, following=True, event_ids=RecentUniqueIds(), operations=RecentUniqueIds()
        )
        return audit

    def look(self, rules: Rules, submissions: Sequence[SubmissionRow] | None) -> None:
        """Begin the next round of a log that is followed."""
        self._shared.rules = rules
        self._shared.totals = Totals(events_by_topic=self._shared.totals.events_by_topic)
        self._shared.billing = None if submissions is None else Billing(submissions)

    @property
    def totals(self) -> Totals:
        """What was counted so far."""
        return self._shared.totals

    @property
    def checks(self) -> Checks:
        """The checks, for what is compared outside of the log."""
        return self._shared.checks

    def partition(self, number: int, view: View) -> PartitionAudit:
        """Begin to audit one partition number."""
        return PartitionAudit(number, view, self._shared)

    def report(self) -> Report:
        """Check what concerns all partitions, and report; call it once, at the end."""
        self.check_ids()
        self.check_bill()
        return Report(self.checks.all(), self._shared.totals)

    def check_ids(self) -> None:
        """Name what stands twice; of a log that is followed, since the last call."""
        shared, checks = self._shared, self._shared.checks
        checks.event_ids.looked_at = len(shared.event_ids)
        for places in shared.event_ids.repeats():
            checks.event_ids.wrong(f"one event id stands at {', '.join(places)}")
        for places in shared.operations.repeats():
            checks.operations.wrong(f"one provider operation stands at {', '.join(places)}")

    def check_bill(self) -> None:
        """Hold the providers' own list against the jobs that were added to it."""
        shared, checks = self._shared, self._shared.checks
        if shared.billing is None:
            checks.billing.note = "no provider was asked for its submissions"
        else:
            shared.billing.check(checks.billing, shared.totals, shared.rules)
