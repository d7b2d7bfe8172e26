"""A law: a test over whatever Hypothesis thinks of, the same on every machine."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

# 80 stories per law: the folder stays under 10 s, and every fault planted by hand was found.
_RULES = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def whatever(**drawn: SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for many values of each argument; no profile of another folder has a say."""
    return lambda test: _RULES(given(**drawn)(test))
