"""Each promise of the README names its test, and each test notices when the promise is broken.

`make guarantees` breaks them all, one after another; here one is, to hold what does so.
"""

from dataclasses import replace

import pytest

from tests.guarantees.promises import FOLDER, Promise, promises
from tests.guarantees.proof import judged, proof
from tests.planting import ROOT, check_fit

PROMISES = promises()
# In memory, without broker and database.
CHEAP = "test_nothing_is_ordered_before_others_can_read_the_intent_I07"


def test_every_promise_has_its_patch_and_every_patch_its_promise():
    tests = [promise.test for promise in PROMISES]
    assert len(tests) >= 25
    assert sorted(tests) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.test)
def test_every_patch_fits_the_code_and_leaves_the_tests_alone(promise: Promise, tmp_path):
    patch = promise.broken()
    assert patch.changes
    assert not [change.path for change in patch.changes if change.path.startswith("tests/")]
    check_fit(patch, tmp_path)


def test_a_broken_promise_is_seen_and_a_kept_one_is_not():
    promise = next(promise for promise in PROMISES if promise.test == CHEAP)
    patch = promise.broken()
    broken = proof(promise, patch)
    assert broken.verdict == "red", broken
    assert broken.seen.endswith("] == []"), broken
    kept = proof(promise, replace(patch, changes=()))
    assert kept.verdict == "GREEN", kept


def test_a_test_that_cannot_run_proves_nothing():
    assert judged(0, None)[0] == "GREEN"
    assert judged(1, "assert 1 == 2\n +  where 1 = f()") == ("red", "assert 1 == 2")
    assert judged(1, "Failed: DID NOT RAISE <class 'OSError'>")[0] == "red"
    for code, failure in (
        (1, None),
        (1, "ImportError: no module"),
        (1, "Failed: Timeout (>300.0s) from pytest-timeout."),
        (2, "assert 1 == 2"),
        (4, None),
        (None, "assert 1 == 2"),
    ):
        assert judged(code, failure)[0] == "error", (code, failure)


def test_the_planted_patches_that_serve_a_promise_are_there():
    links = [path.read_text().split() for path in FOLDER.iterdir()]
    named = [words[0] for words in links if len(words) == 1]
    assert named
    assert all((ROOT / name).is_file() for name in named)
