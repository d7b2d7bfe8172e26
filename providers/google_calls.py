"""The calls that Veo's two doors share: one order, one poll, with Google's faults and waits."""

import httpx

from domain.failures import ProviderFault
from providers import google_wire as wire
from providers.connections import Connections
from providers.http_calls import Answer, BodyReader, bounded_body
from providers.protocol import PollAnswer, ProviderError, Submission


async def submitted(
    connections: Connections,
    url: str,
    submission: Submission,
    seconds_max: float,
    parameters: dict[str, object] | None = None,
) -> str:
    """Ask for paid work and give the operation's name; `parameters` are one door's own.

    Raises: ProviderError, whose fault says whether work may have begun.
    """
    body = wire.submission_body(submission)
    body["parameters"].update(parameters or {})
    request = connections.orders.build_request("POST", url, headers=connections.headers, json=body)
    answer = await connections.exchange(connections.orders, request, seconds_max)
    if not httpx.codes.is_success(answer.status):
        raise _error(connections, wire.submission_fault(answer), answer)
    return connections.understood(answer, wire.submitted_operation)


async def polled(
    connections: Connections,
    request: httpx.Request,
    seconds_max: float,
    read: wire.ReadOperation,
    body_of: BodyReader = bounded_body,
) -> PollAnswer:
    """Ask how an operation is going; `read` knows the shape of one door's results.

    Raises: ProviderError: `transient` to ask again, else the job has failed.
    """
    answer = await connections.exchange(connections.reads, request, seconds_max, body_of)
    if not httpx.codes.is_success(answer.status):
        raise _error(connections, wire.poll_fault(answer), answer)
    return connections.told(connections.understood(answer, read))


def _error(connections: Connections, fault: ProviderFault, answer: Answer) -> ProviderError:
    return connections.error(fault, wire.retry_after_seconds(answer))
