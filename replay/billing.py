"""Holds a provider's own list of submissions against the jobs (T4). No I/O."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from replay.checks import VIOLATIONS_SHOWN_MAX, Check, Rules, Totals
from replay.job_story import JobStory


@dataclass(frozen=True, slots=True)
class SubmissionRow:
    """One submission as the provider saw it.

    `operation`: its own name for the work, if it started any. `billed`: it charges for it.
    `received_at`: RFC 3339, UTC.
    """

    provider: str
    model: str
    operation: str | None
    prompt: str | None
    received_at: str
    billed: bool


class Billing:
    """Remembers of the log only what the submissions ask about."""

    def __init__(self, submissions: Sequence[SubmissionRow]) -> None:
        self._submissions = submissions
        self._prompts = {hash(row.prompt) for row in submissions}
        self._operations = {_tail(row.operation) for row in submissions if row.operation}
        self._jobs_by_prompt: defaultdict[int, list[str]] = defaultdict(list)
        self._jobs_by_operation: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._unknown: set[str] = set()

    def told(self, story: JobStory) -> None:
        """Learn what a job was reserved for and knows of its operation, once it was read."""
        if story.prompt_hash is not None and story.prompt_hash in self._prompts:
            self._jobs_by_prompt[story.prompt_hash].append(story.job_id)
        if story.operation_id is not None and _tail(story.operation_id) in self._operations:
            self._jobs_by_operation[_tail(story.operation_id)] = story.job_id
            self._accounts[story.job_id] = story.account_id
        if story.outcome_unknown:
            self._unknown.add(story.job_id)

    def check(self, check: Check, totals: Totals, rules: Rules) -> None:
        """Count what was billed per job and per prompt; list what no job knows of."""
        check.looked_at += len(self._submissions)
        billed = [row for row in self._submissions if row.billed]
        operations = {_tail(row.operation) for row in billed if row.operation}
        jobs = Counter(
            self._jobs_by_operation[o] for o in operations if o in self._jobs_by_operation
        )
        jobs += Counter(self._rebilled(billed))
        for job_id, count in jobs.items():
            if count > 1:
                check.wrong(
                    f"job {job_id} of account {self._accounts[job_id]} was billed {count} times"
                )
        rows_by_prompt: defaultdict[str | None, list[SubmissionRow]] = defaultdict(list)
        for row in self._submissions:
            rows_by_prompt[row.prompt].append(row)
        for prompt, rows in rows_by_prompt.items():
            self._check_prompt(check, totals, rules, prompt, rows)

    def _rebilled(self, billed: Sequence[SubmissionRow]) -> list[str]:
        """Give the job of every billing of an operation beyond its first."""
        counts = Counter(_tail(row.operation) for row in billed if row.operation)
        return [
            self._jobs_by_operation[operation]
            for operation, count in counts.items()
            if operation in self._jobs_by_operation
            for _ in range(count - 1)
        ]

    def _check_prompt(
        self,
        check: Check,
        totals: Totals,
        rules: Rules,
        prompt: str | None,
        rows: Sequence[SubmissionRow],
    ) -> None:
        jobs = self._jobs_by_prompt.get(hash(prompt), [])
        billed = [row for row in rows if row.billed]
        who = f"{rows[0].provider} {rows[0].operation or rows[0].received_at} (jobs {jobs[:3]})"
        if len(billed) > len(jobs):
            check.wrong(
                f"{who}: the same prompt was billed {len(billed)} times for {len(jobs)} jobs"
            )
        submissions_max = rules.limits.submit_attempts_max * len(jobs)
        if len(rows) > submissions_max:
            check.wrong(
                f"{who}: the same prompt was submitted {len(rows)} times, at most "
                f"{submissions_max} are allowed for {len(jobs)} jobs"
            )
        unknown = [r for r in billed if _tail(r.operation or "") not in self._jobs_by_operation]
        excused = sum(job_id in self._unknown for job_id in jobs)
        for row in unknown:
            if len(totals.unknown_outcomes) < VIOLATIONS_SHOWN_MAX:
                totals.unknown_outcomes.append(f"{row.provider} {row.operation} (jobs {jobs[:3]})")
        if len(unknown) > excused:
            check.wrong(
                f"{who}: {len(unknown)} billed operations that no job knows, and {excused} jobs "
                "whose submission has an unknown outcome"
            )


def _tail(operation: str) -> str:
    """Give the last part of an operation's name: providers put the model before it, or do not."""
    return operation.rpartition("/")[2]
