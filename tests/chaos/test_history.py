"""The judge of a torture run is itself held against histories with one thing wrong in each."""

from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.history import History, Operation, Verdict
from tests.chaos.table import percentile, spread

ROOT = Path(__file__).parents[2]
POSTED = Operation(0.0, 1.0, "post", "k1", "ok", status=202, job_id="j1", state="pending")
ENDED = Operation(2.0, 3.0, "look", "k1", "ok", status=200, job_id="j1", state="completed")
LISTED = Operation(4.0, 5.0, "list", "k1", "ok", status=200, job_id="j1", state="completed")
GOOD = (POSTED, ENDED, LISTED)


def judged(folder, *operations: Operation) -> Verdict:
    with History(folder / "history.jsonl") as history:
        for operation in operations:
            history.add(operation)
    return Verdict.of(folder / "history.jsonl")


def test_a_history_of_which_nothing_is_wrong_passes(tmp_path):
    """Refusals while something is away, and calls of which nobody knows, are no fault."""
    verdict = judged(
        tmp_path,
        Operation(0.0, 0.1, "post", "k1", "failed", status=503),
        Operation(0.2, 0.3, "post", "k1", "unknown", detail="ReadTimeout()"),
        *GOOD,
        # Began before the job was accepted, and ended after.
        Operation(0.5, 1.5, "look", "k1", "failed", status=404, job_id="j1"),
        # Began before the end was known, and shows what was before.
        Operation(2.5, 3.5, "look", "k1", "ok", status=200, job_id="j1", state="processing"),
    )
    assert (verdict.lost, verdict.doubled, verdict.stuck, verdict.wrong) == ([], [], [], [])
    assert verdict.operations == {"ok": 4, "failed": 2, "unknown": 1}
    assert verdict.stories["j1"].end == "completed"


def test_a_repeat_that_was_promised_an_id_of_its_own_is_the_same_job(tmp_path):
    """Decision 0010: until the ledger has decided, a repeat has an id that leads to the first."""
    verdict = judged(
        tmp_path,
        *GOOD,
        Operation(6.0, 7.0, "post", "k1", "ok", status=202, job_id="j2", state="requested"),
        Operation(
            8.0, 9.0, "look", "k1", "ok", status=200, job_id="j2", shown_id="j1", state="completed"
        ),
    )
    assert (verdict.lost, verdict.doubled, verdict.stuck, verdict.wrong) == ([], [], [], [])


WRONG = [
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "look", "k1", "failed", status=404, job_id="j1")],
        "lost",
        "is a 404",
        id="an accepted job is a 404",
    ),
    pytest.param([POSTED, ENDED], "lost", "is not in its account's list", id="not listed"),
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "post", "k1", "ok", status=202, job_id="j2")],
        "doubled",
        "k1 bought ['j1', 'j2']",
        id="one key, two jobs",
    ),
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "post", "k2", "ok", status=202, job_id="j1")],
        "doubled",
        "j1 stands for k1 and k2",
        id="two keys, one job",
    ),
    pytest.param([POSTED], "stuck", "has not ended", id="no end"),
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "look", "k1", "ok", status=200, job_id="j1", state="failed")],
        "wrong",
        "was completed and is failed",
        id="an end that changes",
    ),
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "post", "k3", "failed", status=500, detail="a bug")],
        "wrong",
        "k3 was answered 500",
        id="an answer that no client should get",
    ),
    pytest.param(
        [*GOOD, Operation(6.0, 7.0, "post", "k3", "failed", status=503, detail="no Retry-After")],
        "wrong",
        "k3 was answered 503: no Retry-After",
        id="sent away without being told for how long",
    ),
]


@pytest.mark.parametrize(("operations", "kind", "text"), WRONG)
def test_what_a_client_may_not_see_is_named(tmp_path, operations, kind, text):
    assert any(text in found for found in getattr(judged(tmp_path, *operations), kind))


def test_a_percentile_is_a_value_that_was_seen():
    hundred = [float(n) for n in range(1, 101)]
    assert (percentile(hundred, 0.50), percentile(hundred, 0.99)) == (50.0, 99.0)
    assert percentile([7.0], 0.99) == 7.0
    assert spread([3.0, 1.0, 2.0]) == "2.0/3.0/3.0"


def test_every_fault_stands_in_the_documentation_with_its_row():
    page = (ROOT / "docs" / "torture.md").read_text()
    section = page.partition("## The faults")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    for fault in FAULTS:
        (row,) = (line for line in rows if f"`{fault.name}`" in line.split("|")[1])
        assert row.split("|")[2].strip() == fault.row
