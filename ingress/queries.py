"""The SQL of the ingress, texts only; what each is read from is checked by tests and bench."""

from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

from ingress.history import STATUSES, HistoryAsked
from ingress.rows import (
    TOTAL_MAX,
    AccountRow,
    GenerationRow,
    JobCostRow,
    KeyRow,
    TransactionRow,
)

# Before and after every row.
_FIRST = datetime.min.replace(tzinfo=UTC)
END = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
SEQUENCE_END = 2**63 - 1


def _columns(row_type: type, of: str) -> str:
    return ", ".join(f"{of}.{field.name}" for field in fields(row_type))


# ruff's S608 sees SQL in an f-string: every part is a constant of this module.
GENERATION = f"""
    SELECT {_columns(GenerationRow, "job")}
    FROM generations asked
    JOIN generations job
      ON job.job_id = coalesce(asked.replay_of, asked.job_id)
     AND job.account_id = asked.account_id
    WHERE asked.job_id = $1 AND asked.account_id = $2
"""  # noqa: S608  constants only
JOB_COST = f"""
    SELECT {_columns(JobCostRow, "job")}
    FROM generations asked
    JOIN generations job
      ON job.job_id = coalesce(asked.replay_of, asked.job_id)
     AND job.account_id = asked.account_id
    WHERE asked.job_id = $1
"""  # noqa: S608  constants only
ACTIVE = f"""
    SELECT {_columns(GenerationRow, "job")}
    FROM generations job
    WHERE job.account_id = $1 AND job.job_id = ANY($2::uuid[])
    ORDER BY job.created_at DESC, job.job_id DESC
"""  # noqa: S608  constants only


def _counted(rows: str) -> str:
    """Count rows, no further than tells that the total is not exact."""
    return f"SELECT count(*) AS total FROM (SELECT {rows} LIMIT {TOTAL_MAX + 1}) known"  # noqa: S608  constants only


def _history(matches: str, page: str) -> str:
    """Read a page of jobs by their ids, and count all that match.

    Both in one statement, so that they are of one moment. The page's ids are found in an index
    alone; only its own rows are then read whole.
    """
    return f"""
    SELECT counted.total, {_columns(GenerationRow, "job")}
    FROM ({_counted(f"FROM generations WHERE {matches}")}) counted
    LEFT JOIN (({page}) found JOIN generations job ON job.job_id = found.job_id) ON true
    ORDER BY found.created_at DESC, found.job_id DESC
    """  # noqa: S608  constants only


# Every bound is always there, so that there is one statement for all: $2 the first moment, $3 the
# first after the last, and ($4, $5) the place that a page comes after.
_WITHIN = "created_at >= $2 AND created_at < $3"
_PAGE_WITHIN = "created_at >= $2 AND (created_at, job_id) < ($4, $5::uuid)"
_MINE = "account_id = $1 AND replay_of IS NULL"
_NEWEST_FIRST = "ORDER BY created_at DESC, job_id DESC"
_GENERATIONS = _history(
    f"{_MINE} AND {_WITHIN}",
    f"""
    SELECT created_at, job_id FROM generations WHERE {_MINE} AND {_PAGE_WITHIN}
    {_NEWEST_FIRST} LIMIT $6 OFFSET $7
    """,  # noqa: S608  constants only
)


def _runs(also: str) -> str:
    """Merge a page from one run of an index per status: each gives as many rows as a page has."""
    return _history(
        f"{_MINE} AND {_WITHIN} AND status = ANY($7::text[]) {also}",
        f"""
        SELECT run.created_at, run.job_id
        FROM unnest($7::text[]) AS asked (status)
        CROSS JOIN LATERAL (
            SELECT created_at, job_id FROM generations
            WHERE {_MINE} AND status = asked.status AND {_PAGE_WITHIN} {also}
            {_NEWEST_FIRST} LIMIT $6
        ) run
        {_NEWEST_FIRST} LIMIT $6
        """,  # noqa: S608  constants only
    )


_GENERATIONS_BY_STATUS = _runs("")
_GENERATIONS_BY_MODEL = _runs("AND model = $8")
TRANSACTIONS = f"""
    SELECT counted.total, {_columns(TransactionRow, "moved")}
    FROM ({_counted("FROM credit_transactions WHERE account_id = $1")}) counted
    LEFT JOIN (
        SELECT * FROM credit_transactions
        WHERE account_id = $1 AND sequence < $2
        ORDER BY sequence DESC
        LIMIT $3
    ) moved ON true
    ORDER BY moved.sequence DESC
"""  # noqa: S608  constants only
KEYS = f"""
    SELECT counted.total, {_columns(KeyRow, "known")}
    FROM ({_counted("FROM api_keys")}) counted
    LEFT JOIN (
        SELECT * FROM api_keys
        WHERE (created_at, key_id) < ($1, $2::uuid)
        ORDER BY created_at DESC, key_id DESC
        LIMIT $3
    ) known ON true
    ORDER BY known.created_at DESC, known.key_id DESC
"""  # noqa: S608  constants only
ACCOUNT = f"SELECT {_columns(AccountRow, 'a')} FROM accounts a WHERE account_id = $1"  # noqa: S608  constants only
OFFSETS = "SELECT topic, next_offset FROM projection_offsets WHERE partition = $1"
KEY = f"""
    SELECT {_columns(KeyRow, "known")} FROM api_keys known
    WHERE key_sha256 = $1 AND revoked_at IS NULL
"""  # noqa: S608  constants only
ADD_KEY = f"""
    INSERT INTO api_keys AS known (key_id, key_sha256, account_id, role)
    VALUES ($1, $2, $3, $4)
    RETURNING {_columns(KeyRow, "known")}
"""  # noqa: S608  constants only
REVOKE = """
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
    WHERE key_id = $1
    RETURNING key_sha256
"""


def history_query(account_id: str, asked: HistoryAsked) -> tuple[str, tuple[object, ...]]:
    """Choose the statement that finds a page in an index, and its arguments."""
    filters = asked.filters
    first, after = filters.created_from or _FIRST, filters.created_to or END[0]
    # A page ends where the filter does or where the page before did, whichever is earlier.
    before = min(asked.before or END, (after, UUID(int=0)) if filters.created_to else END)
    bounds = (account_id, first, after, *before, asked.limit)
    if filters.model is not None:
        statuses = filters.statuses or STATUSES
        return _GENERATIONS_BY_MODEL, (*bounds, statuses, filters.model)
    if filters.statuses:
        return _GENERATIONS_BY_STATUS, (*bounds, filters.statuses)
    return _GENERATIONS, (*bounds, asked.offset)
