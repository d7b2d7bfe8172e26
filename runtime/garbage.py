"""How often Python looks for garbage that holds itself: seldom, since ours hardly ever does.

What nobody refers to is freed at once, without this search; the search walks over everything that
was made since. By default it runs every 700 objects and took 30 % of the ledger's time per request.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Python's own are 700, 10, 10.
THRESHOLDS = (50_000, 20, 100)


def collect_seldom() -> None:
    """Look for garbage seldom from now on, and never again among what is there already."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom within the block."""
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
