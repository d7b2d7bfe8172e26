"""What a run replaces around the product for its time: logs, metrics, randomness, the collector."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from warnings import catch_warnings, simplefilter

from processors import alerts, job_calls, job_runner, provider_gate
from runtime import metrics
from runtime.event_log import decider, lane, lanes, left_open
from schemas.base import Fact

MODULES_THAT_LOG = (
    alerts,
    decider,
    job_calls,
    job_runner,
    lane,
    lanes,
    left_open,
    provider_gate,
)


def _nothing(*_: object, **__: object) -> None: ...


class _Quiet:
    """Takes every call of a logger or a metric."""

    inc = dec = observe = set = staticmethod(_nothing)
    info = warning = error = exception = staticmethod(_nothing)

    def labels(self, *_: object) -> "_Quiet":
        return self


class _Unchecked:
    """Makes events without pydantic, which takes a fifth of a seed's time.

    Seeds that pass bytes check every event when it is made and when it is read.
    """

    def __init__(self) -> None:
        self._shapes: dict[type[Fact], tuple[int, dict[str, Any]]] = {}

    def make(self, fact: Fact, data: dict[str, Any]) -> None:
        shape = self._shapes.get(type(fact))
        if shape is None:
            shape = self._shapes[type(fact)] = _shape(type(fact))
        count, defaults = shape
        values = {**defaults, **data}
        if len(values) != count:
            raise TypeError(f"{type(fact).__name__} is made of {sorted(data)}")
        setattr_ = object.__setattr__
        setattr_(fact, "__dict__", values)
        setattr_(fact, "__pydantic_fields_set__", set(data))
        setattr_(fact, "__pydantic_extra__", None)
        setattr_(fact, "__pydantic_private__", None)


def _shape(made: type[Fact]) -> tuple[int, dict[str, Any]]:
    fields = made.model_fields
    defaults = {
        name: field.get_default(call_default_factory=True)
        for name, field in fields.items()
        if not field.is_required()
    }
    return len(fields), defaults


def _replacements(random: Random, *, as_bytes: bool) -> list[tuple[Any, str, Any]]:
    quiet = _Quiet()
    unchecked = _Unchecked()

    def make(fact: Fact, /, **data: Any) -> None:
        unchecked.make(fact, data)

    instruments = [name for name, value in vars(metrics).items() if hasattr(value, "labels")]
    return [
        *((module, "log", quiet) for module in MODULES_THAT_LOG),
        *((metrics, name, quiet) for name in instruments if name.islower()),
        *(() if as_bytes else ((Fact, "__init__", make),)),
        # Whoever asks for randomness of the system's gets the seed's: a run repeats to the byte.
        (os, "urandom", random.randbytes),
        # A task that was killed unwinds when it is collected; what it says then means nothing.
        (sys, "unraisablehook", _nothing),
    ]


@contextmanager
def simulated_surroundings(random: Random, *, as_bytes: bool) -> Iterator[None]:
    """Replace, and put everything back once the run's tasks are unwound and collected."""
    replaced = [
        (owner, name, getattr(owner, name), value)
        for owner, name, value in _replacements(random, as_bytes=as_bytes)
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
            # Twice: tasks that unwind the first time come back to life for a moment, and what is
            # left of them would be frozen with the next seed, and stay.
            gc.collect()
            gc.collect()
    finally:
        for owner, name, before, _ in replaced:
            setattr(owner, name, before)
        gc.unfreeze()
        if enabled:
            gc.enable()
