"""Puts a request on the log and waits for what the ledger makes of it. No HTTP, no rules."""

from collections.abc import Callable

from starlette.requests import Request

from ingress.calls import call_of, traceparent_of
from ingress.ports import BrokerUnavailable, Decisions, Publisher
from runtime import metrics
from runtime.clock import monotonic_seconds
from schemas.base import Event
from schemas.envelope import Envelope, derived_event_id

SOURCE = "/tapeworks/ingress"


class Desk:
    """The way from a request to the ledger's decision."""

    def __init__(
        self,
        publisher: Publisher,
        decisions: Decisions,
        wait_seconds: float,
        clock: Callable[[], float] = monotonic_seconds,
    ) -> None:
        self._publisher = publisher
        self._decisions = decisions
        self._wait_seconds = wait_seconds
        self._clock = clock

    async def decision_on(self, request: Request, event: Event) -> Envelope | None:
        """Publish a request; give the ledger's answer, or None if it did not come in time.

        Raises: BrokerUnavailable if it is not surely on the log; TooManyWaiting.
        Guarantee: None and an answer both mean that the request is on the log for good.
        """
        call = call_of(request)
        call.job_id = getattr(event, "job_id", None)
        event_id = derived_event_id(call.request_id, type(event).__name__, 0)
        envelope = Envelope(
            event=event,
            event_id=event_id,
            source=SOURCE,
            correlation_id=call.job_id or call.request_id,
            causation_id=call.request_id,
            traceparent=traceparent_of(request),
        )
        # Looked out for before it can be decided, so that no decision is missed.
        with self._decisions.expect(event_id) as decision:
            try:
                await self._publisher.publish(envelope)
            except BrokerUnavailable:
                # The acknowledgement was lost, but what was decided was written.
                if not decision.done():
                    raise
            waited_seconds = self._clock() - call.arrived_at
            answer = await decision.within(max(0.0, self._wait_seconds - waited_seconds))
        if answer is None:
            metrics.decisions_missed.inc()
        else:
            metrics.decision_seconds.observe(self._clock() - call.arrived_at)
        return answer
