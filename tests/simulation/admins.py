"""Administrators: the credits they grant, correct and give back by hand, and when."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from schemas.requests import (
    CreditAdjustmentRequested,
    CreditGrantRequested,
    HandRefundRequested,
)

if TYPE_CHECKING:
    from tests.simulation.clients import Clients

REASONS = ("test", "another reason")
# Seconds of virtual time: within so long a repeat follows, in turn soon and late.
REPEATED_WITHIN = (2.0, 50.0)


class Admins:
    """Whoever changes credits by hand; what is sent may be sent again, as it was or changed."""

    def __init__(self, clients: "Clients", random: Random, clock: Callable[[], datetime]) -> None:
        self._clients = clients
        self._random = random
        self._clock = clock
        self._sent: list[Callable[[], None]] = []
        self._sent_at: dict[str, datetime] = {}

    def fund(self, name: str, amount_credits: int, seconds: float) -> None:
        """Plan the grant that an account lives on, and perhaps a correction."""
        draw, random = self._random.random, self._random
        key = f"grant:{name}"
        self._plan(draw() * 3, self._grant, name, amount_credits, key)
        if draw() < 0.05:
            # Another grant under the same key.
            self._at(draw() * 30, self._grant, name, amount_credits + 1, key, REASONS[0])
        if draw() < 0.2:
            amount = random.randint(-500, 200) or 1
            key = key if draw() < 0.2 else f"correction:{name}"
            self._plan(draw() * seconds, self._adjust, name, amount, key)

    def refund(self, name: str, job_id: str, number: int, at: float, stranger: str) -> None:
        """Plan to give the price of a job back: too early, in time, twice, or to a stranger."""
        draw = self._random.random
        if draw() < 0.1:
            name = stranger
        later = at + draw() * (10 if draw() < 0.2 else 60)
        key = f"refund:{number}" if draw() < 0.9 else f"grant:{name}"
        self._plan(later, self._refund, name, job_id, key)
        if draw() < 0.3:
            self._plan(at + draw() * 60, self._refund, name, job_id, f"refund-again:{number}")

    def repeat(self, count: int) -> None:
        """Send some of all changes again, as they were."""
        for send in self._random.sample(self._sent, min(count, len(self._sent))):
            send()

    def _plan(self, at: float, send: Callable[..., None], *args: object) -> None:
        """Send something once, perhaps again, perhaps with another reason."""
        draw = self._random.random
        self._at(at, send, *args, REASONS[0])
        self._sent.append(partial(send, *args, REASONS[0]))
        while draw() < 0.15:
            reason = REASONS[draw() < 0.2]
            within = REPEATED_WITHIN[draw() < 0.5]
            self._at(min(at + draw() * within, at + 60), send, *args, reason)

    def _at(self, at: float, send: Callable[..., None], *args: object) -> None:
        self._clients.at(at, send, *args)

    def _grant(self, name: str, amount_credits: int, key: str, reason: str) -> None:
        self._send(
            CreditGrantRequested(
                account_id=name,
                occurred_at=self._clock(),
                amount_credits=amount_credits,
                reason=reason,
                requested_by="admin",
                idempotency_key=key,
            )
        )

    def _adjust(self, name: str, amount_credits: int, key: str, reason: str) -> None:
        self._send(
            CreditAdjustmentRequested(
                account_id=name,
                occurred_at=self._clock(),
                amount_credits=amount_credits,
                reason=reason,
                requested_by="admin",
                idempotency_key=key,
            )
        )

    def _refund(self, name: str, job_id: str, key: str, reason: str) -> None:
        self._send(
            HandRefundRequested(
                account_id=name,
                occurred_at=self._clock(),
                job_id=job_id,
                reason=reason,
                requested_by="admin",
                idempotency_key=key,
            )
        )

    def _send(
        self, event: CreditGrantRequested | CreditAdjustmentRequested | HandRefundRequested
    ) -> None:
        # Two at one moment would be one request that was delivered twice, and is answered once.
        key = f"{event.account_id}/{event.idempotency_key}"
        if self._sent_at.get(key) == event.occurred_at:
            return
        self._sent_at[key] = event.occurred_at
        self._clients.send(event, self._clients.id())
