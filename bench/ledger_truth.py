"""What must hold of a ledger's output, however fast: one answer each, balances that chain."""

from collections import Counter
from collections.abc import Iterable, Sequence

from aiokafka import ConsumerRecord

from bench.load import GRANTED_CREDITS
from schemas.codec import decode
from schemas.ledger import CreditsGranted, CreditsReserved, LedgerEvent


def faults_of(records: Sequence[ConsumerRecord], inputs: int) -> list[str]:
    """Check one answer per request, unbroken sequences and balances that chain."""
    faults: list[str] = []
    repeated, answered = repeated_outputs(records)
    if repeated or answered != inputs:
        faults.append(f"{answered} of {inputs} requests answered, {repeated} more than once")
    balances: dict[str, tuple[int, int]] = {}
    for record in sorted(records, key=lambda record: (record.partition, record.offset)):
        event = decode(record.key, record.value, record.headers).event
        if not isinstance(event, CreditsGranted | CreditsReserved):
            faults.append(f"unexpected {type(event).__name__} for {event.account_id}")
            continue
        sequence, balance = balances.get(event.account_id, (0, 0))
        expected = sequence + 1, balance + _amount(event)
        if (event.sequence, event.balance_after) != expected:
            faults.append(f"{event.account_id}: expected {expected}, found {event!r:.200}")
        balances[event.account_id] = event.sequence, event.balance_after
    return faults[:10]


def _amount(event: LedgerEvent) -> int:
    return GRANTED_CREDITS if isinstance(event, CreditsGranted) else -_price(event)


def _price(event: LedgerEvent) -> int:
    assert isinstance(event, CreditsReserved)
    return event.price_credits


def repeated_outputs(records: Iterable[ConsumerRecord]) -> tuple[int, int]:
    """Count the answers beyond each request's first, and the requests that have one."""
    answers = Counter(dict(record.headers)["causation_id"] for record in records)
    return sum(answers.values()) - len(answers), len(answers)
