"""What a person can do about each check that does not hold, in the words that it prints."""

from collections.abc import Mapping

_LEDGER_FAULT = (
    "stop the ledger workers and keep the topics: no later event repairs a ledger that was written "
    "wrong; find what wrote this record (its ce_source), then correct the balance by hand with "
    "`tape credits adjust`"
)
_READ_MODEL = (
    "trust the log, not the row: see whether somebody wrote to Postgres by hand or the projections "
    "have another version, then empty the read models and projection_offsets to rebuild them"
)
_STATE = (
    "see who else wrote to the state topic; stop the workers, remove the state topics and let "
    "everything be decided again from the events"
)
_JOB = "look at the job with `tape watch --from-start --job ID`"

REMEDIES: Mapping[str, str] = {
    "sums": _LEDGER_FAULT,
    "chain": _LEDGER_FAULT,
    "sequence": (
        "an event is missing, doubled or was written by a second ledger: look at the offsets "
        "before this one, and at ce_source of each"
    ),
    "causes": (
        "look for the cause's id in `requests` and `generation.events`: if it is missing, records "
        "were lost or deleted; if it is there, the ledger answered it twice or wrongly"
    ),
    "decisions": (
        "see whether the ledger workers run and their log names this offset; a request that is "
        "passed over must be sent again by its writer"
    ),
    "closings": (
        "see whether the ledger workers run; a price that is neither kept nor given back is "
        "corrected by hand with `tape credits adjust`, and the account told"
    ),
    "hand_refunds": (
        "find who refunded (refunded_by) and why; take back what was too much with "
        "`tape credits adjust`"
    ),
    "keys": (
        f"two jobs were bought where one was meant: {_JOB}, and refund one with "
        "`tape credits refund`"
    ),
    "active_jobs": (
        "compare TAPEWORKS_ACTIVE_JOBS_MAX of all ledger workers; if it was lowered lately, this "
        "is of the time before"
    ),
    "delivered": f"the video was given away: {_JOB}, and find who wrote its second end",
    "intents": f"a provider may work unpaid: {_JOB}, and find who wrote this event (ce_source)",
    "operations": f"a provider may bill twice: {_JOB}, and compare the provider's own list",
    "steps": f"{_JOB}, and find which worker wrote the step that does not follow (ce_source)",
    "failures": f"the account was told another reason than the log has: {_JOB}",
    "billing": (
        "compare the provider's list with `GenerationSubmitted` of these jobs; what no job knows "
        "of is to be disputed with the provider"
    ),
    "ledger_state": _STATE,
    "generation_state": _STATE,
    "accounts": _READ_MODEL,
    "credit_transactions": _READ_MODEL,
    "generations": _READ_MODEL,
    "deadlines": (
        "see whether the generation workers run and reach the broker; the job ends and is refunded "
        "as soon as one has its partition"
    ),
    "event_ids": (
        "a record was written twice: see which process wrote the second (ce_source) and whether "
        "it writes outside of a transaction"
    ),
    "media": (
        "restore the file from a backup of the media store; if there is none, refund the job by "
        "hand with `tape credits refund`"
    ),
    "contract": (
        "find who wrote the record (ce_source); it must write with the published schemas, with "
        "the account's id as the key"
    ),
    "dead_letters": (
        "find who else writes to the dead-letter topic; the workers always write all four headers"
    ),
}
