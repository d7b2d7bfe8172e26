import os
import shutil

import pytest

from devstack.account import (
    ELSEWHERE,
    Account,
    reachable_copy,
    reachable_folder,
    remove_state,
    unprivileged_account,
)
from devstack.state import StateFolder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs services as another user")


@pytest.fixture
def closed(tmp_path):
    """A state directory below a folder that nobody else may enter."""
    (tmp_path / "home").mkdir(mode=0o700)
    state = StateFolder(tmp_path / "home/state")
    state.create()
    yield state
    remove_state(state)


def test_who_is_not_root_runs_services_as_themselves(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert unprivileged_account() == Account()


def test_our_own_state_directory_is_used_where_it_can_be(closed):
    assert reachable_folder(closed, "postgres", Account()) == closed.path / "postgres"


@as_root
def test_a_closed_state_directory_has_its_data_elsewhere_and_says_so(closed):
    account = unprivileged_account()
    folder = reachable_folder(closed, "postgres", account)
    assert account.can("-w", folder)
    assert folder.is_relative_to(ELSEWHERE)
    assert str(folder) in (closed.path / "postgres.location").read_text()
    assert closed.path.parent.stat().st_mode & 0o777 == 0o700  # as its owner had it
    (folder / "rows").touch()
    assert (reachable_folder(closed, "postgres", account) / "rows").exists()


@as_root
def test_a_state_directory_made_anew_does_not_find_the_data_of_the_old_one(closed):
    account = unprivileged_account()
    (reachable_folder(closed, "postgres", account) / "rows").touch()
    shutil.rmtree(closed.path)
    closed.create()
    assert list(reachable_folder(closed, "postgres", account).iterdir()) == []


@as_root
def test_removing_a_state_directory_removes_what_lies_elsewhere(closed):
    folder = reachable_folder(closed, "postgres", unprivileged_account())
    remove_state(closed)
    assert not folder.parent.exists()
    assert not closed.path.exists()


@as_root
def test_data_of_temporary_state_directories_that_are_gone_is_removed(closed, tmp_path):
    account = unprivileged_account()
    forsaken = reachable_folder(closed, "postgres", account)
    shutil.rmtree(closed.path)
    another = StateFolder(tmp_path / "home/another")
    another.create()
    reachable_folder(another, "postgres", account)
    assert not forsaken.exists()
    remove_state(another)


@as_root
def test_an_installation_nobody_else_may_read_is_copied_once(closed, tmp_path):
    account = unprivileged_account()
    root = tmp_path / "home/packages"
    for folder in ("wheel/bin", "wheel.libs", "other"):
        (root / folder).mkdir(parents=True)
    (root / "wheel/bin/program").touch(mode=0o755)
    parts = (("wheel/bin", "wheel.libs", "absent"), "wheel/bin/program", account)
    copy = reachable_copy(closed, root, *parts)
    assert account.can("-x", copy / "wheel/bin/program")
    assert {path.name for path in copy.iterdir()} == {"wheel", "wheel.libs"}
    assert reachable_copy(closed, root, *parts) == copy
    assert reachable_copy(closed, copy, *parts) == copy
