"""Holds the rows of some accounts, as Postgres has them, against those that the log makes."""

from collections import Counter
from collections.abc import Sequence

from replay.checks import Check, Checks
from replay.partition_audit import PartitionAudit
from replay.read_model_fold import RowComparison
from replay.read_models import TABLES, ReadModels, Table

ACCOUNTS_PER_QUERY = 500


def check_of(checks: Checks, table: Table) -> Check:
    """Find the check that a table's rows belong to."""
    return {
        "accounts": checks.accounts,
        "credit_transactions": checks.credit_transactions,
        "generations": checks.generations,
    }[table.name]


async def compare_rows(
    read_models: ReadModels, part: PartitionAudit, account_ids: Sequence[str]
) -> Counter[str]:
    """Compare the rows of some accounts of a partition in every table; count them by table."""
    counts: Counter[str] = Counter()
    whole = [id_ for id_ in account_ids if part.rows.is_whole(id_)]
    partial = [id_ for id_ in account_ids if not part.rows.is_whole(id_)]
    for ids, strangers_named in ((whole, True), (partial, False)):
        for first in range(0, len(ids), ACCOUNTS_PER_QUERY):
            chunk = ids[first : first + ACCOUNTS_PER_QUERY]
            for table in TABLES:
                comparison = RowComparison(
                    check_of(part.shared.checks, table),
                    table.name,
                    table.columns,
                    part.expected_rows(table.name, chunk),
                    strangers_named=strangers_named,
                )
                async for key, values in read_models.rows(table, chunk):
                    comparison.row(key, values)
                    counts[table.name] += 1
                comparison.finish()
    return counts


def check_offsets(part: PartitionAudit, shown: dict[str, int], ends: dict[str, int]) -> None:
    """Take down what Postgres says it applied and the log does not have."""
    for topic, next_offset in shown.items():
        if next_offset > ends.get(topic, 0):
            part.shared.checks.generations.wrong(
                f"projection_offsets {topic} {part.number}: {next_offset} is beyond the end of the "
                f"log, {ends.get(topic, 0)}"
            )
