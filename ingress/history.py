"""What an account asks for of its history: which jobs, from where on, how many. No SQL here."""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import get_args
from uuid import UUID

from starlette.requests import Request

from domain.catalogue import CATALOGUE
from ingress.cursors import CURSOR, LIMIT, LIST_BYTES, Cursors, limit_asked
from ingress.models import Status
from ingress.parameters import check_names, moment, single, whole_number
from ingress.problems import FieldFault, invalid, shown

STATUSES: tuple[str, ...] = get_args(Status)
FILTERS = ("status", "model", "created_from", "created_to")
# 10,000: 500 pages of 20; whoever goes on from there goes on by cursor, at no cost for the depth.
OFFSET_MAX = 10_000


@dataclass(frozen=True, slots=True)
class HistoryFilters:
    """Which jobs; what is left out leaves nothing out.

    Units: created in [`created_from`, `created_to`).
    """

    statuses: tuple[str, ...] = ()
    model: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None

    @property
    def list_id(self) -> bytes:
        """Name the list that these filters make, so that a cursor is good for no other."""
        times = (at and at.isoformat() for at in (self.created_from, self.created_to))
        text = repr((self.statuses, self.model, *times))
        return sha256(text.encode()).digest()[:LIST_BYTES]


NO_FILTERS = HistoryFilters()


@dataclass(frozen=True, slots=True)
class HistoryAsked:
    """One page: at most `limit` of those jobs, after the job `before` or after `offset` others."""

    filters: HistoryFilters = NO_FILTERS
    limit: int = 100
    before: tuple[datetime, UUID] | None = None
    offset: int = 0

    @property
    def with_one_more(self) -> "HistoryAsked":
        """Ask for one job more, which tells whether there is a next page."""
        return replace(self, limit=self.limit + 1)


def filtered_history(request: Request, cursors: Cursors, account_id: str) -> HistoryAsked:
    """Read the parameters of a history with filters.

    Raises: ProblemError INVALID_REQUEST with every fault.
    """
    faults: list[FieldFault] = []
    check_names(request, (*FILTERS, LIMIT, CURSOR), faults)
    limit = limit_asked(request, faults)
    cursor = single(request, CURSOR, faults)
    filters = HistoryFilters(
        statuses=_statuses(request, faults),
        model=_model(request, faults),
        created_from=moment(request, "created_from", faults),
        created_to=moment(request, "created_to", faults),
    )
    first, after = filters.created_from, filters.created_to
    if first is not None and after is not None and first >= after:
        problem = "is not after created_from"
        faults.append(FieldFault("created_to", problem, "send a later time, or leave one out"))
    if faults:
        raise invalid(*faults)
    return HistoryAsked(filters, limit, cursors.row(account_id, cursor, filters.list_id))


def counted_history(request: Request, cursors: Cursors, account_id: str) -> HistoryAsked:
    """Read the parameters of a history without filters that may be paged by number (S0-76).

    Raises: as `filtered_history`.
    """
    faults: list[FieldFault] = []
    check_names(request, (LIMIT, "offset", CURSOR), faults)
    limit = limit_asked(request, faults)
    offset = whole_number(request, "offset", faults, default=0, least=0, most=OFFSET_MAX)
    cursor = single(request, CURSOR, faults)
    if cursor is not None and "offset" in request.query_params:
        faults.append(FieldFault("offset", "is sent beside cursor", "send one of the two"))
    if faults:
        raise invalid(*faults)
    before = cursors.row(account_id, cursor, NO_FILTERS.list_id)
    return HistoryAsked(NO_FILTERS, limit, before, offset)


def _statuses(request: Request, faults: list[FieldFault]) -> tuple[str, ...]:
    sent = [part for text in request.query_params.getlist("status") for part in text.split(",")]
    unknown = sorted({part for part in sent if part not in STATUSES})
    if unknown:
        problem = f"{shown(', '.join(unknown))!r} is no status"
        remedy = f"send one or several, separated by commas, of: {', '.join(STATUSES)}"
        faults.append(FieldFault("status", problem, remedy))
        return ()
    # In one order, so that the same filter is the same list however it was written.
    return tuple(status for status in STATUSES if status in sent)


def _model(request: Request, faults: list[FieldFault]) -> str | None:
    name = single(request, "model", faults)
    if name is not None and name not in CATALOGUE:
        remedy = f"use one of: {', '.join(CATALOGUE)}"
        faults.append(FieldFault("model", f"{shown(name)!r} is no model", remedy))
    return name
