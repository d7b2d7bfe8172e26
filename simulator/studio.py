"""All that providers share: the time, the faults, the accepted work, its files and its count."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulator.clock import GenerationClock
from simulator.faults import Fault, FaultBoard, FaultKind
from simulator.files import FileStore
from simulator.journal import Cancellation, Entry, Journal
from simulator.operations import Operation, Operations, OperationState, new_id
from simulator.submissions import Submission, SubmissionLedger
from simulator.video import Clip


@dataclass(frozen=True, slots=True)
class Ticket:
    """A submission that has arrived and has not been answered. `received_at`: RFC 3339, UTC."""

    provider: str
    model: str
    prompt: str | None
    received_at: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a submission asks for, whoever provides it.

    `storage_uri` and `queue_share`: see `Operation`.
    """

    clip: Clip
    samples: int = 1
    storage_uri: str | None = None
    queue_share: float = 0.0


class Studio:
    """The state of one simulator. Everything happens on the event loop, except rendering."""

    def __init__(
        self,
        *,
        generation_seconds: float,
        seed: int,
        state: Path | None,
        plain_videos: bool = False,
    ) -> None:
        self.clock = GenerationClock(generation_seconds)
        self.faults = FaultBoard(seed)
        self.submissions = SubmissionLedger()
        self.operations = Operations(self.clock)
        self.files = FileStore(plain_videos=plain_videos)
        self._journal = Journal(state)
        try:
            for entry in self._journal.entries():
                self._apply(entry)
        except BaseException:
            self.close()
            raise

    def receive(self, provider: str, model: str, prompt: str | None) -> Ticket:
        """Note the arrival of a submission; `refuse` or `accept` must follow."""
        return Ticket(provider, model, prompt, self.clock.rfc3339())

    def refuse(self, ticket: Ticket, status: int, fault: FaultKind | None = None) -> None:
        """Record a submission that started nothing."""
        self._record(
            Entry(_row(ticket, operation=None, billed=False, status=status, fault=fault)),
        )

    def accept(
        self,
        ticket: Ticket,
        order: Order,
        *,
        fault: Fault | None,
        status: int | Literal["dropped"],
    ) -> Operation:
        """Start the work of a submission and record both.

        Guarantee: row and operation are written down together, before this returns.
        """
        kind = fault.kind if fault else None
        operation = Operation(
            operation_id=new_id(),
            provider=ticket.provider,
            model=ticket.model,
            clip=order.clip,
            file_ids=tuple(new_id() for _ in range(order.samples)),
            accepted_at=self.clock.unix_seconds(),
            generation_seconds=self.clock.generation_seconds,
            fault=kind,
            faulty_downloads=fault.downloads if fault else None,
            queue_share=order.queue_share,
            storage_uri=order.storage_uri,
        )
        row = _row(
            ticket,
            operation=operation.operation_id,
            billed=kind is not FaultKind.SAFETY_BLOCK,
            status=status,
            fault=kind,
        )
        self._record(Entry(row, operation))
        return operation

    def cancel(self, operation: Operation) -> OperationState:
        """End an operation unless it is over; return in which state it was.

        Guarantee: what had not started is not billed any more; what ran stays billed.
        """
        state = self.operations.state(operation)
        if state in {OperationState.QUEUED, OperationState.RUNNING}:
            started = state is OperationState.RUNNING
            self._record(Entry(cancellation=Cancellation(operation.operation_id, started)))
        return state

    def clear_submissions(self) -> int:
        """Empty the count, not the work; return how many rows there were."""
        self._journal.append(Entry())
        return self.submissions.clear()

    def close(self) -> None:
        """Stop rendering and close the journal."""
        self.files.close()
        self._journal.close()

    def _record(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._apply(entry)

    def _apply(self, entry: Entry) -> None:
        if entry.cancellation is not None:
            self._apply_cancellation(entry.cancellation)
            return
        if entry.submission is None:
            self.submissions.clear()
            return
        self.submissions.add(entry.submission)
        if entry.operation is not None:
            self.operations.add(entry.operation)
            self.files.add(entry.operation)

    def _apply_cancellation(self, cancellation: Cancellation) -> None:
        self.operations.cancel(cancellation.operation_id)
        if not cancellation.billed:
            self.submissions.unbill(cancellation.operation_id)


def _row(
    ticket: Ticket,
    *,
    operation: str | None,
    billed: bool,
    status: int | Literal["dropped"],
    fault: FaultKind | None,
) -> Submission:
    return Submission(
        provider=ticket.provider,
        model=ticket.model,
        operation=operation,
        prompt=ticket.prompt,
        received_at=ticket.received_at,
        billed=billed,
        status=status,
        fault=fault,
    )
