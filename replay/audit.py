"""The audit of a whole log, partition by partition, and its report. No I/O."""

from collections.abc import Sequence

from replay.billing import Billing, SubmissionRow
from replay.checks import Checks, Report, Rules
from replay.partition_audit import PartitionAudit, Shared, View


class Audit:
    """Holds a log against every invariant that the log alone can show.

    `submissions`: the providers' own list of what they were asked; None where there is none.
    """

    def __init__(self, rules: Rules, submissions: Sequence[SubmissionRow] | None) -> None:
        billing = None if submissions is None else Billing(submissions)
        self._shared = Shared(rules, billing=billing)

    @property
    def checks(self) -> Checks:
        """The checks, for what is compared outside of the log."""
        return self._shared.checks

    def partition(self, number: int, view: View) -> PartitionAudit:
        """Begin to audit one partition number."""
        return PartitionAudit(number, view, self._shared)

    def report(self) -> Report:
        """Check what concerns all partitions, and report; call it once, at the end."""
        shared, checks = self._shared, self._shared.checks
        checks.event_ids.looked_at = len(shared.event_ids)
        for places in shared.event_ids.repeats():
            checks.event_ids.wrong(f"one event id stands at {', '.join(places)}")
        for places in shared.operations.repeats():
            checks.operations.wrong(f"one provider operation stands at {', '.join(places)}")
        if shared.billing is None:
            checks.billing.note = "no provider was asked for its submissions"
        else:
            shared.billing.check(checks.billing, shared.totals, shared.rules)
        return Report(checks.all(), shared.totals)
