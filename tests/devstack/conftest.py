"""A state directory of its own for each test, and what a killed test may have left is stopped."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from devstack.account import remove_state
from devstack.processes import ManagedProcess
from devstack.records import stop_leftovers
from devstack.state import StateFolder

Sleeper = Callable[..., ManagedProcess]


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateFolder]:
    state = StateFolder(tmp_path / "state")
    state.create()
    yield state
    await stop_leftovers(state)
    remove_state(state)


@pytest.fixture
def sleeper(state: StateFolder) -> Sleeper:
    """Makes processes that do nothing until they are asked to end."""

    def make(name: str = "sleeper", code: str = "", **how) -> ManagedProcess:
        body = f"{code}\nimport signal; signal.pause()"
        return ManagedProcess(name, [sys.executable, "-c", body], state=state, **how)

    return make
