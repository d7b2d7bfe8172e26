"""What every family of paths does with jobs: order one, find one, list them, link a video.

The one way in and out; a family's routes only read its names and write its names.
"""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

from starlette.requests import Request

from ingress import answers
from ingress.auth import Principal
from ingress.calls import call_of
from ingress.declines import decline_problem
from ingress.history import HistoryAsked
from ingress.models import GenerationAccepted, VideoLink
from ingress.ports import BrokerUnavailable
from ingress.problems import ProblemError
from ingress.rows import GenerationRow, Page
from ingress.services import Services
from ingress.validation import Wanted
from ingress.wait import ReadModelBehind
from runtime import metrics
from runtime.database import DatabaseUnavailable
from schemas.ledger import CreditsReserved, ReservationDeclined
from schemas.requests import GenerationRequested

REPLAY_HEADER = "X-Idempotent-Replay"
MEDIA_PATH = "/v1/media/"
ENDED = frozenset({"completed", "failed", "cancelled", "rejected"})
JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Order:
    """What came of asking for a job; `headers` mark the answer to a repeat (S2-15)."""

    accepted: GenerationAccepted
    headers: dict[str, str]


async def orderer(services: Services, request: Request) -> Principal:
    """Authenticate a call that orders a job; an account that is too fast ends it here.

    What a flood sends is neither read nor checked: it costs others the less.

    Raises: as `Authenticator.principal`, and ProblemError TOO_MANY_REQUESTS.
    """
    principal = await services.auth.principal(request)
    _keep_pace(services, services.pace.wait_seconds(principal.account_id))
    return principal


async def order(
    services: Services, request: Request, principal: Principal, wanted: Wanted, key: str | None
) -> Order:
    """Ask for a job; the answer carries the ledger's decision if it came in time (C01).

    Raises: ProblemError for a refusal, and where the request is not surely on the log;
    TooManyWaiting.
    """
    # Others of the account may have come while the body was read.
    _keep_pace(services, services.pace.take(principal.account_id))
    job_id = call_of(request).request_id
    key = key or job_id
    asked = GenerationRequested(
        account_id=principal.account_id,
        occurred_at=services.clock(),
        job_id=job_id,
        settings=wanted.settings,
        idempotency_key=key,
        body_sha256=wanted.body_sha256,
        private=wanted.prompt,
    )
    try:
        decision = await services.desk.decision_on(request, asked)
    except BrokerUnavailable as error:
        raise not_published(error, key) from error
    if decision is None:
        return Order(answers.accepted(job_id, wanted.settings, asked.occurred_at), {})
    match decision.event:
        case CreditsReserved() as reserved:
            accepted = answers.accepted(
                job_id,
                wanted.settings,
                reserved.occurred_at,
                price_credits=reserved.price_credits,
                credits_available=reserved.balance_after,
            )
            return Order(accepted, {})
        case ReservationDeclined() as declined:
            return await _declined(services, wanted, declined)
        case _:
            raise AssertionError(f"{decision.event_type} decides no generation")


def _keep_pace(services: Services, seconds: float) -> None:
    if seconds == 0:
        return
    metrics.orders_paced.inc()
    per_second = services.settings.orders_per_second
    raise ProblemError(
        "TOO_MANY_REQUESTS",
        f"An account may order {services.settings.orders_at_once} jobs at once and "
        f"{per_second:g} a second after that; nothing was ordered or charged.",
        headers={"Retry-After": str(math.ceil(seconds))},
    )


async def _declined(services: Services, wanted: Wanted, declined: ReservationDeclined) -> Order:
    first = declined.first_answer
    if declined.code == "IDEMPOTENT_REPLAY" and first is not None:
        accepted = answers.accepted(
            first.job_id,
            wanted.settings,
            first.reserved_at,
            price_credits=first.price_credits,
            credits_available=first.balance_after,
        )
        return Order(accepted, {REPLAY_HEADER: "true"})
    problem = decline_problem(declined.code, declined.details)
    if declined.code == "TOO_MANY_ACTIVE_JOBS":
        job_ids = [str(job_id) for job_id in _listed(problem.details.pop("active_job_ids", ()))]
        try:
            rows = await services.read_model.active_generations(declined.account_id, job_ids)
        except DatabaseUnavailable:
            rows = []
        problem.details["active_jobs"] = answers.active_jobs(job_ids, rows)
    raise problem


def _listed(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def not_published(error: BrokerUnavailable, key: str) -> ProblemError:
    """Say that a request is not surely on the log, and how to repeat it safely."""
    certain = error.outcome == "nothing_sent"
    detail = (
        "The event log cannot be reached; nothing was sent."
        if certain
        else "The event log did not acknowledge the request; it may or may not have arrived."
    )
    details = {"outcome": error.outcome, "idempotency_key": key}
    return ProblemError("BROKER_UNAVAILABLE", detail, details=details)


async def found_generation(services: Services, account_id: str, job_id: str) -> GenerationRow:
    """Find an account's job, after whatever of it is on the log has been applied.

    Raises: ProblemError NOT_FOUND, the same for a job of somebody else (S0-73); ReadModelBehind,
    BrokerUnavailable and DatabaseUnavailable where nobody can say.
    """
    job_id = job_id.lower()
    row = None
    if JOB_ID.fullmatch(job_id):
        row = await services.read_model.generation(account_id, job_id)
        if row is None:
            await services.barrier.requests_applied(account_id)
            row = await services.read_model.generation(account_id, job_id)
        elif row.status == "requested":
            row = await _decided(services, account_id, job_id) or row
    if row is None:
        raise ProblemError("NOT_FOUND", "No generation of this account has this id.")
    return row


async def _decided(services: Services, account_id: str, job_id: str) -> GenerationRow | None:
    """Look again once the decisions seen here are applied: a status never goes back."""
    try:
        await services.barrier.decisions_applied(account_id)
    except ReadModelBehind:
        return None
    return await services.read_model.generation(account_id, job_id)


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of an account's jobs; `next_cursor` is None on the last."""

    jobs: Page[GenerationRow]
    next_cursor: str | None


async def history(services: Services, account_id: str, asked: HistoryAsked) -> HistoryPage:
    """Read one page, newest first, without repeats of the same request.

    Raises: DatabaseUnavailable.
    """
    found = await services.read_model.generations(account_id, asked.with_one_more)
    rows = found.rows[: asked.limit]
    cursor = None
    if len(found.rows) > asked.limit:
        cursors, last = services.generation_cursors, rows[-1]
        list_id = asked.filters.list_id
        cursor = cursors.of_row(account_id, last.created_at, last.job_id, list_id)
    return HistoryPage(Page(rows, found.total, found.total_is_exact), cursor)


def video_link(services: Services, object_key: str) -> VideoLink:
    """Sign a link to a stored file that works for a while, without a key (C24)."""
    life = timedelta(seconds=services.settings.media_link_seconds)
    expires_at = (services.clock() + life).replace(microsecond=0)
    query = services.media_links.sign(object_key, expires_at)
    base = services.settings.public_url.rstrip("/")
    return VideoLink(url=f"{base}{MEDIA_PATH}{quote(object_key)}?{query}", expires_at=expires_at)


def video_url(services: Services, row: GenerationRow) -> str | None:
    """Give an address that plays a finished job's video; None while there is none.

    Signed anew at every reading: what lasts is the way to get one (C24).
    """
    if row.status != "completed" or row.object_key is None:
        return None
    return video_link(services, row.object_key).url
