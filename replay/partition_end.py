"""What only the end of a partition can tell: what is unanswered, overdue or open. No I/O."""

from replay.causes import Asked
from replay.checks import RESERVATION_GRACE
from replay.job_story import JobStory
from replay.partition_audit import PartitionAudit
from replay.state_topics import (
    GENERATION_CODEC,
    LEDGER_CODEC,
    compare_states,
    generation_states,
    ledger_states,
)
from replay.unique_ids import place
from schemas.requests import GenerationRequested
from schemas.topics import (
    GENERATION_EVENTS,
    GENERATION_STATE,
    LEDGER_EVENTS,
    LEDGER_STATE,
    REQUESTS,
)


def check_end(audit: PartitionAudit) -> None:
    """Check everything that was left open, compare the states, and add to the totals.

    Call it once, when all topics of the partition were fed.
    """
    check_open(audit)
    check_states(audit)
    add_totals(audit)


def check_open(audit: PartitionAudit) -> None:
    """Check what is unanswered and which jobs are open; call it as often as a log is followed."""
    audit.causes.finish()
    unanswered = audit.causes.unanswered
    for cause_id in [id_ for id_, asked in unanswered.items() if _is_done(audit, asked)]:
        del unanswered[cause_id]
    for story in audit.jobs.stories.values():
        if story.price_credits is not None:
            _check_story(audit, story)


def _is_done(audit: PartitionAudit, asked: Asked) -> bool:
    """Say whether a request was set aside, or answered under the same key by an earlier one.

    What the ledger has not reached may wait.
    """
    rules = audit.shared.rules
    if not (rules.strict_end or asked.offset < audit.position(REQUESTS.name)):
        return False
    if (REQUESTS.name, asked.offset) in audit.set_aside:
        return True
    if asked.event_type is GenerationRequested:
        story = audit.jobs.stories[asked.job_id or ""]
        answered = story.declined or story.price_credits is not None
    else:
        answered = f"{asked.account_id}/{asked.key}" in audit.fold.key_uses
    if not answered:
        audit.shared.checks.decisions.wrong(
            f"{place(REQUESTS.name, audit.number, asked.offset)}: the "
            f"{asked.event_type.__name__} of account {asked.account_id} (job {asked.job_id}) has "
            "no answer"
        )
    return answered


def _check_story(audit: PartitionAudit, story: JobStory) -> None:
    checks, rules = audit.shared.checks, audit.shared.rules
    checks.deadlines.looked_at += 1
    if not story.open:
        return
    at = place(LEDGER_EVENTS.name, audit.number, story.reserved_offset)
    about = f"{at}: job {story.job_id} of account {story.account_id}"
    if story.end_event_id is not None and (
        rules.strict_end or story.end_offset < audit.position(GENERATION_EVENTS.name)
    ):
        ended_at = place(GENERATION_EVENTS.name, audit.number, story.end_offset)
        checks.closings.wrong(
            f"{about} ended at {ended_at}, and its price is neither settled nor refunded"
        )
    elif rules.strict_end:
        checks.closings.wrong(f"{about} is {story.status} and has not ended")
    deadline = story.deadline(rules.limits)
    if rules.now > deadline + RESERVATION_GRACE:
        checks.deadlines.wrong(f"{about} is {story.status}, its deadline was {deadline}")


def check_states(audit: PartitionAudit) -> None:
    """Compare the state topics with the fold."""
    checks, rules = audit.shared.checks, audit.shared.rules
    if not audit.view.exact:
        for check in (checks.ledger_state, checks.generation_state):
            check.not_looked_at(
                f"partition {audit.number} is not at rest", strict_end=rules.strict_end
            )
        return
    compare_states(
        checks.ledger_state,
        f"{LEDGER_STATE.name}[{audit.number}]",
        LEDGER_CODEC,
        ledger_states(audit.fold),
        audit.states[LEDGER_STATE.name],
        now=rules.now,
    )
    compare_states(
        checks.generation_state,
        f"{GENERATION_STATE.name}[{audit.number}]",
        GENERATION_CODEC,
        generation_states(audit.jobs.stories.values()),
        audit.states[GENERATION_STATE.name],
        now=rules.now,
    )


def add_totals(audit: PartitionAudit) -> None:
    """Add a partition's accounts and jobs to the totals, and its jobs to the bill."""
    totals, billing = audit.shared.totals, audit.shared.billing
    totals.accounts += len(audit.fold.accounts)
    totals.refunded_credits += audit.fold.refunded_credits
    totals.refunded_by_hand_credits += audit.fold.refunded_by_hand_credits
    for account in audit.fold.accounts.values():
        totals.granted_credits += account.granted_credits
        totals.available_credits += account.available_credits
        totals.reserved_credits += account.reserved_credits
        totals.settled_credits += account.settled_credits
    for story in audit.jobs.stories.values():
        totals.jobs_by_status[story.status] += 1
        if billing is not None:
            billing.told(story)
