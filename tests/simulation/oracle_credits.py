"""Holds each event of the ledger against the books: sums, keys, limits, closings."""

from typing import Any

from schemas.envelope import Envelope
from tests.simulation.books import (
    ACTIVE_JOBS_MAX,
    KEY_LIFE,
    PRICE_CREDITS_BY_DURATION,
    RESERVATION_GRACE,
    AccountBook,
    JobBook,
    KeyBook,
)
from tests.simulation.oracle_core import OracleCore

ANSWERS_TO_AN_END = {
    "GenerationCompleted": "settled",
    "GenerationFailed": "refunded",
}


class CreditChecks(OracleCore):
    """What must hold of credits."""

    def _moved(self, place: str, envelope: Envelope, event: Any, change: int) -> AccountBook:
        """Check what every event of the ledger keeps; `change` is what it does to the credits."""
        account = self.accounts.get(event.account_id)
        if account is None:
            account = self.accounts[event.account_id] = AccountBook()
        account.sequence += 1
        if event.sequence != account.sequence:
            self.wrong("I18", f"{place}: sequence {event.sequence}, {account.sequence} is due")
            account.sequence = event.sequence
        account.available += change
        if event.balance_after != account.available:
            self.wrong(
                "I02", f"{place}: balance_after {event.balance_after} is not {account.available}"
            )
        cause = envelope.causation_id
        if cause in self._answered:
            self.wrong("I01", f"{place}: {cause} was answered already")
        self._answered.add(cause)
        return account

    def _checked(self, place: str, account: AccountBook) -> None:
        sum_ = account.available + account.reserved + account.settled
        if account.granted != sum_ or min(account.available, account.reserved) < 0:
            self.wrong("T1", f"{place}: {account} does not add up")

    def _asked(self, place: str, envelope: Envelope, *names: str) -> Any:
        """Give the request that an event answers; None, and a violation, if it answers none."""
        asked: Any = self.requests.get(envelope.causation_id)
        event: Any = envelope.event
        if asked is None or type(asked).__name__ not in names:
            self.wrong("I01", f"{place}: {envelope.event_type} answers no request")
            return None
        if (asked.account_id, getattr(asked, "job_id", None)) != (
            event.account_id,
            getattr(event, "job_id", None),
        ):
            self.wrong("I44", f"{place}: {envelope.event_type} answers another's request")
        return asked

    def _used(self, place: str, event: Any, job_id: str | None, body_sha256: str) -> None:
        key = f"{event.account_id}/{event.idempotency_key}"
        used = self.keys.get(key)
        if used is not None and event.occurred_at < used.expires_at:
            self.wrong("I11", f"{place}: the key {key} was used for {used.job_id} already")
        self.keys[key] = KeyBook(job_id, body_sha256, event.occurred_at + KEY_LIFE)

    def _decided(self, place: str, job_id: str) -> JobBook:
        job = self.jobs[job_id]
        if job.decided:
            self.wrong("I04", f"{place}: job {job_id} was decided a second time")
        job.decided = True
        self.undecided -= 1
        return job

    def _on_CreditsReserved(self, place: str, envelope: Envelope, event: Any) -> None:
        self._asked(place, envelope, "GenerationRequested")
        job = self._decided(place, event.job_id)
        price = event.price_credits
        account = self._moved(place, envelope, event, -price)
        account.reserved += price
        account.active.append(event.job_id)
        self._checked(place, account)
        if price != PRICE_CREDITS_BY_DURATION[job.duration_seconds]:
            self.wrong("I08", f"{place}: job {event.job_id} is reserved for {price}")
        if len(account.active) > ACTIVE_JOBS_MAX:
            self.wrong("I17", f"{place}: {event.account_id} has {len(account.active)} active jobs")
        self._used(place, event, event.job_id, job.body_sha256)
        job.price, job.reserved_at = price, event.occurred_at
        self.open_jobs += 1

    def _on_ReservationDeclined(self, place: str, envelope: Envelope, event: Any) -> None:
        self._asked(place, envelope, "GenerationRequested")
        job = self._decided(place, event.job_id)
        account = self._moved(place, envelope, event, 0)
        used = self.keys.get(f"{event.account_id}/{job.idempotency_key}")
        live = used is not None and event.occurred_at < used.expires_at
        first = event.first_answer.job_id if event.first_answer is not None else None
        due = {
            "INSUFFICIENT_CREDITS": account.available
            < PRICE_CREDITS_BY_DURATION[job.duration_seconds],
            "TOO_MANY_ACTIVE_JOBS": len(account.active) >= ACTIVE_JOBS_MAX,
            "IDEMPOTENT_REPLAY": live
            and used is not None
            and (used.job_id, used.body_sha256) == (first, job.body_sha256),
            "IDEMPOTENCY_KEY_REUSED": live
            and used is not None
            and used.body_sha256 != job.body_sha256,
        }
        if not due.get(event.code, False):
            self.wrong("I12", f"{place}: job {event.job_id} is declined with {event.code}")

    def _on_CancellationAccepted(self, place: str, envelope: Envelope, event: Any) -> None:
        self._asked(place, envelope, "CancellationRequested")
        self.undecided -= 1
        self._moved(place, envelope, event, 0)
        job = self.jobs[event.job_id]
        if job.account_id != event.account_id:
            self.wrong("I27", f"{place}: {event.account_id} cancels another's job {event.job_id}")
        if job.price is None or job.closed is not None or job.cancel_accepted:
            self.wrong("I20", f"{place}: job {event.job_id} cannot be cancelled")
        job.cancel_accepted = envelope.event_id

    def _on_CancellationDeclined(self, place: str, envelope: Envelope, event: Any) -> None:
        self._asked(place, envelope, "CancellationRequested")
        self.undecided -= 1
        self._moved(place, envelope, event, 0)
        job = self.jobs.get(event.job_id)
        is_open = job is not None and job.price is not None and job.closed is None
        own = job is not None and job.account_id == event.account_id
        if is_open and own and job is not None and not job.cancel_accepted:
            self.wrong("I20", f"{place}: job {event.job_id} is open and could be cancelled")

    def _on_CreditsSettled(self, place: str, envelope: Envelope, event: Any) -> None:
        account = self._moved(place, envelope, event, 0)
        account.settled += event.price_credits
        self._closed(place, envelope, account, event.price_credits, "settled")

    def _on_CreditsRefunded(self, place: str, envelope: Envelope, event: Any) -> None:
        account = self._moved(place, envelope, event, event.amount_credits)
        self._closed(place, envelope, account, event.amount_credits, "refunded")

    def _closed(
        self, place: str, envelope: Envelope, account: AccountBook, credits_: int, how: str
    ) -> None:
        event: Any = envelope.event
        job = self.jobs[event.job_id]
        account.reserved -= credits_
        if event.job_id in account.active:
            account.active.remove(event.job_id)
        if job.closed is not None:
            name = "I06" if job.closed != how else "I05"
            self.wrong(name, f"{place}: job {event.job_id} is {how}, and was {job.closed} already")
        if credits_ != job.price:
            self.wrong(
                "T2", f"{place}: job {event.job_id} is {how} with {credits_}, not {job.price}"
            )
        due = ANSWERS_TO_AN_END.get(job.end_type)
        if job.end_type == "GenerationCancelled":
            due = "settled" if job.cancelled_submitted else "refunded"
        if envelope.causation_id != job.end_event_id or how != due:
            self.wrong(
                "I05", f"{place}: job {event.job_id} is {how} after {job.end_type or 'no end'}"
            )
        self._checked(place, account)
        if job.closed is None:
            self.open_jobs -= 1
        job.closed, job.closed_at = how, event.occurred_at
        late = max(job.deadline, self.quiet_since or job.deadline) + RESERVATION_GRACE
        if self.clock() > late:
            self.wrong(
                "T6", f"{place}: job {event.job_id} was due {job.deadline}, it is {self.clock()}"
            )
