"""How every provider takes in a submission: read it, let a fault strike, start the work, answer.

The words of the answers are each provider's own; which of them is due, and what it costs, is here.
"""

from collections.abc import Callable
from typing import Literal

import msgspec
from fastapi import Request, Response

from simulator.faults import REFUSING_KINDS, Fault, FaultKind
from simulator.operations import Operation
from simulator.server import BodyTooLargeError, bounded_body, cut_connection, hold
from simulator.studio import Order, Studio, Ticket

HANG_SECONDS = 60.0  # longer than a client should wait for the answer to a submission
RETRY_SECONDS = 1.0  # what a 429 asks for if the fault does not say


async def read_document(request: Request) -> object:
    """Return the JSON value of a body, or None if it is no JSON or too large."""
    try:
        return msgspec.json.decode(await bounded_body(request))
    except (BodyTooLargeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


async def take_in(
    studio: Studio,
    request: Request,
    ticket: Ticket,
    order: Order,
    *,
    accepted: Callable[[Operation], Response],
    fault_answer: Callable[[Fault], Response],
) -> Response:
    """Start the work of a sound submission, or fail in the way that the next fault says.

    `accepted`: words the answer to started work. `fault_answer`: words the answer that a fault
    gives instead, for the kinds that start nothing and for `error_after_accept`.
    """
    fault = studio.faults.draw(ticket.provider, order.clip.prompt)
    if fault and fault.kind in REFUSING_KINDS:
        return await _refused(studio, request, ticket, fault, fault_answer(fault))
    failed = fault_answer(fault) if fault and fault.kind is FaultKind.ERROR_AFTER_ACCEPT else None
    status: int | Literal["dropped"] = failed.status_code if failed else 200
    if fault and fault.kind is FaultKind.DROP_ANSWER:
        status = "dropped"
    operation = studio.accept(ticket, order, fault=fault, status=status)
    if status == "dropped":
        await cut_connection(request)
    return failed or accepted(operation)


async def _refused(
    studio: Studio, request: Request, ticket: Ticket, fault: Fault, answer: Response
) -> Response:
    studio.refuse(ticket, answer.status_code, fault.kind)
    if fault.kind is FaultKind.HANG:
        await hold(request, HANG_SECONDS if fault.seconds is None else fault.seconds)
    return answer
