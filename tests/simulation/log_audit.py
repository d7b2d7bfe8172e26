"""Has the audit of `tape verify` read a simulated log, so that the oracle is not alone."""

from replay.audit import Audit
from replay.billing import SubmissionRow
from replay.checks import Rules
from replay.partition_audit import View
from replay.partition_end import check_end
from schemas.topics import GENERATION_EVENTS, LEDGER_EVENTS, REQUESTS, STATE_TOPICS
from tests.simulation.broker import COMMITTED
from tests.simulation.world import LIMITS, World


def audit(world: World) -> None:
    """Audit the log of a world that passes bytes; each violation is the oracle's to report."""
    rules = Rules(
        limits=LIMITS,
        active_jobs_max=world.settings.active_jobs_max,
        partition_count=world.plan.partition_count,
        now=world.clock(),
        strict_end=True,
    )
    whole = Audit(rules, _submissions(world))
    for number in range(world.plan.partition_count):
        partition = whole.partition(number, View(namespace="", exact=True))
        for topic in STATE_TOPICS:
            for key, value, _, transaction in world.broker.partition(topic.name, number).entries:
                if key is not None and transaction is not None and transaction.state == COMMITTED:
                    partition.state(topic.name, key, value)
        for public in (REQUESTS, LEDGER_EVENTS, GENERATION_EVENTS):
            source = world.broker.partition(public.name, number)
            for offset, entry in source.read(0, len(source.entries)):
                partition.event(public.name, offset, world.envelope(entry))
        check_end(partition)
    for check in whole.report().checks:
        if not check.ok:
            world.oracle.wrong(check.id, f"{check.name}: {check.violations[0]}")


def _submissions(world: World) -> list[SubmissionRow]:
    return [
        SubmissionRow(
            provider=world.provider.name,
            model="veo-3.1",
            operation=operation.operation_id,
            prompt=world.prompts[operation.job_id],
            received_at="",
            billed=True,
        )
        for operation in world.provider.operations.values()
    ]
