"""Writes docs/failures.md from what was run: `python -m tests.taxonomy.document`."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import get_args
from unittest.mock import patch

from domain.failures import ENDINGS
from domain.refunds import ALERT_WORDS, CANCEL_RULES, REFUND_BY_FAILURE, RETRY_WORDS
from domain.safety import ADVICE
from runtime.logs import configure_logs
from schemas.failure import Phase
from tests.taxonomy.cell import Result, all_results
from tests.taxonomy.gate import Gate, serving
from tests.taxonomy.incidents import INCIDENTS, NEVER_IN, PROVIDERS, Incident

DOCUMENT = Path(__file__).parents[2] / "docs" / "failures.md"
Results = Mapping[str, Mapping[Incident, Result]]
PHASES: Mapping[Phase, str] = {
    "submit": "While the work is ordered",
    "poll": "While the provider works",
    "download": "While the file is fetched",
    "store": "While the file is stored",
}
INTRODUCTION = """\
# When a job fails

Every failure belongs to one **category**, and the category alone decides what follows: whether
the credits come back, whether we try again by ourselves, and whether an operator is told. The
**code** is for the job's owner and for programs that read it; nothing in Tapeworks branches on
it.

- `retryable` in an answer speaks to the owner: may this be asked for again, changed or not? What
  Tapeworks repeats by itself is another matter, and stands in the first table. A refusal by a
  safety filter is never repeated by us, and may be sent again by its owner.
- Credits come back exactly once, with the event that makes the failure visible.
- Paid work is ordered again only where the provider surely began nothing. A poll or a download
  may be repeated freely.
- A poll that brings no answer says nothing of the job, whatever the category: it is repeated
  until the job's deadline.
- An alert is an event, `AlertRaised` on `generation.events`, in the same transaction as what it
  tells of; it is counted in `tapeworks_alerts_total` and written to the worker's log as
  `alert_raised`. One job raises one alert of a category at most, so a key that is refused shows
  up once per job that meets it.
- A provider that names no safety category leaves `details.category` at `unspecified`, and one
  that names no confidence leaves `details.confidence` out: neither is ever made up. Google names
  a category by its support codes; fal names none; neither names a confidence.

This page is written by `python -m tests.taxonomy.document`: each line of the large tables is a
job that was run, through the real adapters, against the simulated providers. A test fails when
the page and a new run differ. `tape refunds` prints the first table.
"""
NOTES = """\
*provider*: for which providers the line holds. *credits*: whether the price came back. *alert*:
the category that operators were told of; "goes on" where the job went on after it. *orders*,
*polls*, *fetches*: calls to the provider; "∞" is until the deadline. *begun*: orders by which the
provider began work.
"""


async def run_all(folder: Path) -> Results:
    """Run every incident with every provider; each provider has a simulator of its own."""
    with ExitStack() as stack:
        gates = [stack.enter_context(serving(Gate())) for _ in PROVIDERS]
        found = await asyncio.gather(
            *(
                all_results(gate, folder, INCIDENTS, provider)
                for gate, provider in zip(gates, PROVIDERS, strict=True)
            )
        )
    return dict(zip(PROVIDERS, found, strict=True))


@contextmanager
def short_waits() -> Iterator[None]:
    """Make the waits between attempts of a download short: 5 and 10 ms for 1 and 2 s."""
    with (
        patch("providers.download.FIRST_WAIT_SECONDS", 0.005),
        patch("processors.job_calls.DOWNLOAD_RESTART_SECONDS", 0.02),
    ):
        yield


def document(results: Results) -> str:
    """Give the whole page."""
    parts = [
        INTRODUCTION,
        "## What follows a failure\n",
        _table(("category", "it means", "credits", "alert", "we repeat"), _refund_rows()),
        "## What the owner is told\n",
        "Every one of them may be asked for again (`retryable` is true).\n",
        _table(("code", "category", "message", "suggested action", "details"), _codes(results)),
        "After `SAFETY_FILTER_BLOCKED` the suggested action speaks to the category:\n",
        _table(("category", "suggested action"), [(f"`{k}`", v) for k, v in ADVICE.items()]),
        "## What was run\n",
        NOTES,
    ]
    for phase, heading in PHASES.items():
        rows = [row for each in INCIDENTS if each.phase == phase for row in _rows(each, results)]
        parts += [f"### {heading}\n", _table(_HEADINGS, rows)]
    parts += [
        "## What cannot happen\n",
        _table(("category", "phase", "because"), _impossible()),
    ]
    return "\n".join(parts)


_HEADINGS = (
    "what happens",
    "provider",
    "ends as",
    "code",
    "credits",
    "alert",
    "orders",
    "polls",
    "fetches",
    "begun",
)


def _refund_rows() -> list[tuple[str, ...]]:
    rows = [
        (
            f"`{category}`",
            rule.meaning,
            _credits(back=rule.refund),
            ALERT_WORDS[rule.alert],
            RETRY_WORDS[rule.retry],
        )
        for category, rule in REFUND_BY_FAILURE.items()
    ]
    cancelled = [
        ("cancelled", rule.meaning, _credits(back=rule.refund), "no", "never")
        for rule in CANCEL_RULES
    ]
    return [*rows, *cancelled]


def _credits(*, back: bool) -> str:
    return "come back" if back else "are kept"


def _codes(results: Results) -> list[tuple[str, ...]]:
    details: dict[str, set[str]] = {code: set() for code in ENDINGS}
    for by_incident in results.values():
        for result in by_incident.values():
            if result.code:
                details[result.code] |= set(result.details)
    return [
        (
            f"`{code}`",
            f"`{ending.category}`",
            ending.message.removesuffix(" Your credits were returned."),
            "by category, below" if code == "SAFETY_FILTER_BLOCKED" else ending.suggested_action,
            ", ".join(f"`{name}`" for name in sorted(details[code])),
        )
        for code, ending in ENDINGS.items()
    ]


def _rows(incident: Incident, results: Results) -> list[tuple[str, ...]]:
    """Write one line for the providers that answer alike, and one for each reason why not."""
    by_cells: dict[tuple[str, ...], list[str]] = {}
    for provider in PROVIDERS:
        if provider in incident.impossible:
            cells = (f"cannot happen: {incident.impossible[provider]}", *[""] * 7)
        else:
            cells = _cells(incident, results[provider][incident])
        by_cells.setdefault(cells, []).append(provider)
    return [
        (incident.words, "all" if len(names) == len(PROVIDERS) else ", ".join(names), *cells)
        for cells, names in by_cells.items()
    ]


def _cells(incident: Incident, result: Result) -> tuple[str, ...]:
    alerts = [
        f"`{category}`" + ("" if ends_job else ", goes on")
        for category, _, ends_job in result.alerts
    ]
    endless = incident.lasts
    return (
        result.state,
        f"`{result.code}`" if result.code else "",
        _credits(back=result.given_back == 1),
        ", ".join(alerts) or "no",
        str(result.submits),
        "∞" if endless and incident.phase == "poll" else str(result.polls),
        "∞" if endless and incident.phase == "download" else str(result.fetches),
        str(result.begun),
    )


def _impossible() -> list[tuple[str, ...]]:
    return [
        (f"`{category}`", phase, NEVER_IN[category, phase])
        for category in REFUND_BY_FAILURE
        for phase in get_args(Phase)
        if (category, phase) in NEVER_IN
    ]


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    """Run everything and write the page."""
    configure_logs("taxonomy", "critical")
    with short_waits(), tempfile.TemporaryDirectory() as folder:
        text = document(asyncio.run(run_all(Path(folder))))
    DOCUMENT.write_text(text)
    sys.stdout.write(f"{DOCUMENT} is written\n")


if __name__ == "__main__":
    main()
