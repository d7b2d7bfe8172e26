"""The locks name all that pip asks for, so that they go on working as new versions appear."""

from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

LOCKS = sorted(Path().glob("requirements*.lock"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_the_extras_that_its_packages_ask_each_other_for(lock: Path) -> None:
    """Of an extra that is not pinned pip 23.2.1 takes the newest release, which has no hash."""
    locked = {each.name: each for each in _pinned(lock)}
    assert locked
    for pinned in locked.values():
        for asked in _asked_by(pinned):
            if asked.extras and asked.name in locked:
                assert asked.extras <= locked[asked.name].extras, (
                    f"{lock}: {pinned.name} asks for {asked}; run `make lock`"
                )


def _pinned(lock: Path) -> list[Requirement]:
    return [
        Requirement(line.rstrip(" \\"))
        for line in lock.read_text().splitlines()
        if line and line[0] not in " #"
    ]


def _asked_by(pinned: Requirement) -> list[Requirement]:
    """List what a package asks for, here and with the extras it is pinned with."""
    requirements = map(Requirement, distribution(pinned.name).requires or ())
    return [
        asked
        for asked in requirements
        if asked.marker is None
        or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *pinned.extras))
    ]
