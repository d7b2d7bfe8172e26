import gc
import subprocess
import sys

from runtime.garbage import THRESHOLDS, seldom_collected


def test_a_block_leaves_the_thresholds_as_they_were():
    before = gc.get_threshold()
    with seldom_collected():
        within = gc.get_threshold()
    assert (within, gc.get_threshold()) == (THRESHOLDS, before)


def test_a_process_looks_seldom_and_not_at_what_it_has_imported():
    # In a process of its own: what is frozen stays frozen.
    program = (
        "import gc; from runtime.garbage import collect_seldom; collect_seldom(); "
        "print(gc.get_threshold(), gc.get_freeze_count() > 1000)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.split("\n")[0] == f"{THRESHOLDS} True"
