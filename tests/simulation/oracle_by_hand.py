"""Holds what administrators change against the books: grants, corrections, refunds by hand."""

from typing import Any

from schemas.envelope import Envelope
from tests.simulation.books import HAND_REFUND_LIFE, KEY_LIFE, KeyBook
from tests.simulation.oracle_credits import CreditChecks


class ByHandChecks(CreditChecks):
    """What must hold of credits that are changed by hand (decision 0020)."""

    def _on_CreditsGranted(self, place: str, envelope: Envelope, event: Any) -> None:
        self._changed(place, envelope, event, "CreditGrantRequested")

    def _on_CreditsAdjusted(self, place: str, envelope: Envelope, event: Any) -> None:
        self._changed(place, envelope, event, "CreditAdjustmentRequested")

    def _changed(self, place: str, envelope: Envelope, event: Any, name: str) -> None:
        asked = self._asked(place, envelope, name)
        self.undecided -= 1
        account = self._moved(place, envelope, event, event.amount_credits)
        account.granted += event.amount_credits
        self._checked(place, account)
        if asked is None or asked.amount_credits != event.amount_credits:
            self.wrong("I02", f"{place}: {event.amount_credits} credits were not asked for")
        else:
            self._key_used(place, asked, event)

    def _on_CreditChangeDeclined(self, place: str, envelope: Envelope, event: Any) -> None:
        asked = self._asked(place, envelope, "CreditGrantRequested", "CreditAdjustmentRequested")
        self.undecided -= 1
        account = self._moved(place, envelope, event, 0)
        if asked is None:
            return
        due = self._repeat(asked)
        if due is None and account.available + asked.amount_credits < 0:
            due = "BALANCE_TOO_LOW"
        self._declined(place, asked, event, due)

    def _on_CreditsRefundedByHand(self, place: str, envelope: Envelope, event: Any) -> None:
        asked = self._asked(place, envelope, "HandRefundRequested")
        self.undecided -= 1
        account = self._moved(place, envelope, event, event.amount_credits)
        account.settled -= event.amount_credits
        self._checked(place, account)
        if asked is None:
            return
        due = self._repeat(asked) or self._unrefundable(asked)
        if due is not None:
            self.wrong("I06", f"{place}: job {event.job_id} is refunded by hand in spite of {due}")
            return
        job = self.jobs[event.job_id]
        if event.amount_credits != job.price:
            self.wrong("T2", f"{place}: {event.amount_credits} are given back, not {job.price}")
        job.refunded_by_hand = True
        self._key_used(place, asked, event)

    def _on_HandRefundDeclined(self, place: str, envelope: Envelope, event: Any) -> None:
        asked = self._asked(place, envelope, "HandRefundRequested")
        self.undecided -= 1
        self._moved(place, envelope, event, 0)
        if asked is not None:
            self._declined(place, asked, event, self._repeat(asked) or self._unrefundable(asked))

    def _declined(self, place: str, asked: Any, event: Any, due: str | None) -> None:
        if event.code != due:
            self.wrong("I12", f"{place}: declined with {event.code}, {due} is due")
        first = None
        if due == "IDEMPOTENT_REPLAY":
            first = self.keys[f"{asked.account_id}/{asked.idempotency_key}"].change
        told = event.first_change
        if first != (told and (told.amount_credits, told.balance_after, told.changed_at)):
            self.wrong("I12", f"{place}: the repeat is answered with {told}, not {first}")

    def _repeat(self, asked: Any) -> str | None:
        """Say what a request's key is answered with; None where it is new."""
        used = self.keys.get(f"{asked.account_id}/{asked.idempotency_key}")
        if used is None or asked.occurred_at >= used.expires_at:
            return None
        same = used.body_sha256 == _body(asked)
        return "IDEMPOTENT_REPLAY" if same else "IDEMPOTENCY_KEY_REUSED"

    def _unrefundable(self, asked: Any) -> str | None:
        """Say why a job's price cannot be given back by hand; None where it can."""
        job = self.jobs.get(asked.job_id)
        if job is None or job.account_id != asked.account_id or job.price is None:
            return "NOT_REFUNDABLE"
        if job.closed is None:
            return "JOB_STILL_ACTIVE"
        assert job.closed_at is not None, "whatever is closed was closed at some time"
        if asked.occurred_at >= job.closed_at + HAND_REFUND_LIFE:
            return "NOT_REFUNDABLE"
        refunded = job.refunded_by_hand or job.closed == "refunded"
        return "ALREADY_REFUNDED" if refunded else None

    def _key_used(self, place: str, asked: Any, event: Any) -> None:
        if self._repeat(asked) is not None:
            self.wrong("I11", f"{place}: the key {asked.idempotency_key} was used already")
        self.keys[f"{asked.account_id}/{asked.idempotency_key}"] = KeyBook(
            None,
            _body(asked),
            event.occurred_at + KEY_LIFE,
            (event.amount_credits, event.balance_after, event.occurred_at),
        )


def _body(asked: Any) -> str:
    """Give what makes two requests the same."""
    subject = getattr(asked, "job_id", None) or asked.amount_credits
    return f"{type(asked).__name__}/{subject}/{asked.reason}"
