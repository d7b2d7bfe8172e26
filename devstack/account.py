"""An unprivileged account for a program that refuses to run as root, and a place it can reach.

Changes no permission of a folder that is not ours: when the state directory or the environment
lies where the account may not look (a clone below /root), a place of our own is used instead.
"""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack.errors import DevstackError
from devstack.state import StateFolder

ACCOUNT = "tapeworks"
EVERYBODY = "nobody"  # where no account can be made
IDENTITY_FILE = "state.id"
# Outlives a restart of the machine, which /tmp does not everywhere.
ELSEWHERE = Path("/var/tmp")  # noqa: S108  each folder's owner is checked before it is used
PREFIX = "tapeworks-"
COMMAND_WITHIN_SECONDS = 10.0  # `useradd` and `sh` answer in milliseconds


@dataclass(frozen=True, slots=True)
class Account:
    """Who a program runs as; nothing set means as ourselves."""

    user: int | None = None
    group: int | None = None

    def can(self, test: str, path: Path) -> bool:
        """Tell whether the account passes the shell's `test` (`-x`, `-w`, ...) of a path."""
        return (
            subprocess.run(  # noqa: S603  the arguments are our own
                ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)],
                cwd="/",
                user=self.user,
                group=self.group,
                extra_groups=None if self.user is None else (),
                timeout=COMMAND_WITHIN_SECONDS,
                check=False,
            ).returncode
            == 0
        )

    def own(self, path: Path) -> None:
        """Give a folder of ours to the account, closed to everybody else."""
        path.chmod(0o700)
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def unprivileged_account() -> Account:
    """Return whom to run as: ourselves, or for root an account made for it."""
    if os.geteuid() != 0:
        return Account()
    entry = _entry(ACCOUNT) or _made(ACCOUNT) or _entry(EVERYBODY)
    if entry is None:
        raise DevstackError(
            f"PostgreSQL does not run as root, and the account {ACCOUNT!r} could not be made: "
            "run as another user, or set DATABASE_URL"
        )
    return Account(entry.pw_uid, entry.pw_gid)


def reachable_folder(state: StateFolder, name: str, account: Account) -> Path:
    """Return a folder of the account for one service, below the state directory if it can be.

    Guarantee: the same folder at each start of the same state directory; a state directory
        that was removed and made again finds it empty. `<name>.location` says when the folder
        is elsewhere.
    """
    folder = state.service(name)
    folder.mkdir(parents=True, exist_ok=True)
    if account.can("-x", state.path):
        account.own(folder)
        return folder
    elsewhere = _place_of(state) / name
    elsewhere.mkdir(exist_ok=True)
    account.own(elsewhere)
    (state.path / f"{name}.location").write_text(
        f"{elsewhere}\n{name} runs as user {account.user}, who may not enter {state.path}.\n"
    )
    return elsewhere


def reachable_copy(
    state: StateFolder, root: Path, folders: Sequence[str], program: str, account: Account
) -> Path:
    """Return an installation the account can run: the given one, else a copy that stays.

    Shape: `folders` are the parts of the installation below `root`, in the places they must
        keep to each other; `program`, below `root` too, is what the account must run.
    """
    if account.can("-x", root / program):
        return root
    installed = f"{root}{(root / program).stat().st_mtime_ns}"
    copy = _place_of(state) / f"copy-{hashlib.sha256(installed.encode()).hexdigest()[:12]}"
    if not copy.exists():
        draft = copy.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o755)
        for folder in folders:
            if (root / folder).exists():
                shutil.copytree(root / folder, draft / folder, symlinks=True)
        draft.rename(copy)  # whole or not at all
    return copy


def remove_state(state: StateFolder) -> None:
    """Remove a state directory, and what of it had to be elsewhere; nothing may run on it."""
    elsewhere = _path_elsewhere(state)
    token = state.path / IDENTITY_FILE
    if token.exists() and elsewhere.is_dir() and elsewhere.stat().st_uid == os.geteuid():
        shutil.rmtree(elsewhere)
    shutil.rmtree(state.path, ignore_errors=True)


def _path_elsewhere(state: StateFolder) -> Path:
    return ELSEWHERE / (PREFIX + hashlib.sha256(str(state.path).encode()).hexdigest()[:12])


def _place_of(state: StateFolder) -> Path:
    """Return our folder outside the state directory, emptied if it was another state's.

    The path follows from the state directory's path; the token proves that it is the same
    directory and not one that was made anew in its place.
    """
    place = _path_elsewhere(state)
    place.mkdir(mode=0o711, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise DevstackError(f"{place} belongs to somebody else; remove it")
    identity = state.path / IDENTITY_FILE
    if not identity.exists():
        identity.write_text(f"{secrets.token_hex(16)}\n{state.path}\n")
    owner = place / IDENTITY_FILE
    if not owner.exists() or owner.read_text() != identity.read_text():
        _remove_forsaken()
        for entry in place.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        owner.touch(mode=0o600)
        owner.write_text(identity.read_text())
    return place


def _remove_forsaken() -> None:
    """Remove the places of temporary state directories that are gone, such as tests leave."""
    temporary = Path(tempfile.gettempdir()).resolve()
    for place in ELSEWHERE.glob(PREFIX + "*"):
        owner = place / IDENTITY_FILE
        if place.is_symlink() or place.stat().st_uid != os.geteuid() or not owner.exists():
            continue
        _, _, path = owner.read_text().strip().partition("\n")
        if path and Path(path).is_relative_to(temporary) and not Path(path).exists():
            shutil.rmtree(place, ignore_errors=True)


def _made(name: str) -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    subprocess.run(  # noqa: S603  the arguments are our own
        [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
        capture_output=True,
        timeout=COMMAND_WITHIN_SECONDS,
        check=False,  # two at once: the second fails and finds what the first has made
    )
    return _entry(name)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
