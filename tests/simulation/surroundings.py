"""What a run replaces around the product for its time: logs, metrics, randomness, the collector."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from warnings import catch_warnings, simplefilter

from processors import alerts, job_calls, job_runner
from runtime import metrics
from runtime.event_log import lane, lanes

MODULES_THAT_LOG = (alerts, job_calls, job_runner, lane, lanes)


def _nothing(*_: object, **__: object) -> None: ...


class _Quiet:
    """Takes every call of a logger or a metric."""

    inc = dec = observe = set = staticmethod(_nothing)
    info = warning = error = exception = staticmethod(_nothing)

    def labels(self, *_: object) -> "_Quiet":
        return self


def _replacements(random: Random) -> list[tuple[Any, str, Any]]:
    quiet = _Quiet()
    instruments = [name for name, value in vars(metrics).items() if hasattr(value, "labels")]
    return [
        *((module, "log", quiet) for module in MODULES_THAT_LOG),
        *((metrics, name, quiet) for name in instruments if name.islower()),
        # Whoever asks for randomness of the system's gets the seed's: a run repeats to the byte.
        (os, "urandom", random.randbytes),
        # A task that was killed unwinds when it is collected; what it says then means nothing.
        (sys, "unraisablehook", _nothing),
    ]


@contextmanager
def simulated_surroundings(random: Random) -> Iterator[None]:
    """Replace, and put everything back once the run's tasks are unwound and collected."""
    replaced = [
        (owner, name, getattr(owner, name), value) for owner, name, value in _replacements(random)
    ]
    enabled = gc.isenabled()
    gc.disable()
    # What was there before need not be looked through.
    gc.freeze()
    for owner, name, _, value in replaced:
        setattr(owner, name, value)
    try:
        with catch_warnings():
            # Of coroutines that a killed process never began.
            simplefilter("ignore", RuntimeWarning)
            yield
            gc.collect()
    finally:
        for owner, name, before, _ in replaced:
            setattr(owner, name, before)
        gc.unfreeze()
        if enabled:
            gc.enable()
