"""A circuit breaker: when a provider that fails is left alone, and how it is taken up again.

Pure: no clock; the caller says what time it is, in seconds of any clock that only goes forward.
Source: S4-87 (5 failures, 60 s, one probe).
"""

from dataclasses import dataclass, replace
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]
# After a return calls begin 1 s apart; their rate doubles every 10 s and is free after 60 s, when
# it is 64 a second: whoever waited during an outage must not come back all at once.
RAMP_SECONDS = 60.0
RAMP_DOUBLING_SECONDS = 10.0
RAMP_FIRST_GAP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When to open, and for how long."""

    failures_max: int = 5
    open_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """One provider's breaker.

    `failures`: those since the last success. `turn` counts the changes of state: the answer to a
    call that began in an earlier turn says nothing of this one.
    Units: seconds. `returned_at` is when it last closed, None if it never opened.
    """

    state: BreakerState = "closed"
    turn: int = 0
    failures: int = 0
    failed_at: float | None = None
    probe_at: float | None = None
    returned_at: float | None = None
    called_at: float | None = None


def wait_seconds(breaker: Breaker, now: float) -> float | None:
    """Give the time until a call may begin; None until the probe that is out has an answer."""
    if breaker.state == "half_open":
        return None
    if breaker.probe_at is not None:
        return max(breaker.probe_at - now, 0.0)
    if breaker.returned_at is None or breaker.called_at is None:
        return 0.0
    since_return = now - breaker.returned_at
    if since_return >= RAMP_SECONDS:
        return 0.0
    gap = RAMP_FIRST_GAP_SECONDS / 2 ** (since_return / RAMP_DOUBLING_SECONDS)
    return max(breaker.called_at + gap - now, 0.0)


def called(breaker: Breaker, now: float) -> Breaker:
    """Begin a call that may begin; the first one after an outage is the probe."""
    if breaker.state == "open":
        return replace(
            breaker, state="half_open", turn=breaker.turn + 1, probe_at=None, called_at=now
        )
    return replace(breaker, called_at=now)


def answered(breaker: Breaker, turn: int, now: float) -> Breaker:
    """Learn that the provider answered a call begun in `turn`, well or with a refusal."""
    if turn != breaker.turn or breaker.state == "open":
        return breaker
    if breaker.state == "half_open":
        return replace(breaker, state="closed", turn=breaker.turn + 1, failures=0, returned_at=now)
    return replace(breaker, failures=0)


def failed(breaker: Breaker, turn: int, now: float, limits: BreakerLimits) -> Breaker:
    """Learn that a call begun in `turn` found the provider out of order."""
    if turn != breaker.turn or breaker.state == "open":
        return breaker
    failing = replace(breaker, failures=breaker.failures + 1, failed_at=now)
    if breaker.state == "closed" and failing.failures < limits.failures_max:
        return failing
    return replace(failing, state="open", turn=breaker.turn + 1, probe_at=now + limits.open_seconds)


def abandoned(breaker: Breaker, turn: int, now: float) -> Breaker:
    """Learn that a call begun in `turn` was never made, or never ended: another may probe."""
    if turn != breaker.turn or breaker.state != "half_open":
        return breaker
    return replace(breaker, state="open", turn=breaker.turn + 1, probe_at=now)
