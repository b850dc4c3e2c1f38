"""The system account that runs PostgreSQL: our own, or an unprivileged one where we are root."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefsvc.errors import AccountUnknown, DataDirectoryUnusable

ROOT_UID = 0
_CHILD = Path(__file__).with_name("child.py")
_UNPRIVILEGED = ("prefsvc", "postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A named account of this system."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Whether it is the account we run as."""
        return self.uid == os.geteuid()

    def give(self, path: Path) -> None:
        """Make it the owner of a file or folder that we have made."""
        if not self.is_ours:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, folder: Path) -> bool:
        """Whether this account may go through every folder on the way to this one, and into it."""
        return self.is_ours or all(self._may_search(step) for step in (folder, *folder.parents))

    def _may_search(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)

    def command(self, program: Sequence[str], *, death_signal: int) -> list[str]:
        """Return the command that runs the program as this account, to be signalled if we die."""
        who = (str(self.uid), str(self.gid))
        tie = str(death_signal if dies_with_us() else 0)
        return [*script("launch"), str(os.getpid()), tie, *who, *program]

    def run(
        self, program: Sequence[str], env: Mapping[str, str], *, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a short program as this account to its end."""
        return subprocess.run(  # noqa: S603 - no shell, and the arguments are the engine's own
            self.command(program, death_signal=signal.SIGKILL),
            env=env,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )


def script(task: str) -> list[str]:
    """Return how to run one task of `child.py`: without site-packages, so it starts in 16 ms."""
    return [sys.executable, "-I", "-S", "-B", str(_CHILD), task]


def dies_with_us() -> bool:
    """Whether Linux will signal our children when we die.

    It does so when the *thread* that forked ends, hence only the main thread may rely on it.
    """
    return sys.platform == "linux" and threading.current_thread() is threading.main_thread()


def running_cluster(cluster: Path) -> Account:
    """Return the account that owns an existing cluster; PostgreSQL runs as no other."""
    uid = cluster.stat().st_uid
    if uid == ROOT_UID:
        raise DataDirectoryUnusable(
            f"{cluster} belongs to root, and PostgreSQL refuses to run as root; give it to an "
            f"unprivileged account: chown -R {_unprivileged().name} '{cluster}'"
        )
    if os.geteuid() not in {ROOT_UID, uid}:
        raise DataDirectoryUnusable(
            f"{cluster} belongs to another account (uid {uid}); run prefsvc as that one or as root"
        )
    return _named(uid)


def making_cluster(root: Path) -> Account:
    """Return the account to make a new cluster under this data directory with."""
    if os.geteuid() != ROOT_UID:
        return _named(os.geteuid())
    owner = root.stat().st_uid
    if owner == ROOT_UID or not _is_named(owner):
        return _unprivileged()
    return _named(owner)


def root_name() -> str:
    """Return what this system calls uid 0."""
    return pwd.getpwuid(ROOT_UID).pw_name if _is_named(ROOT_UID) else "root"


def _named(uid: int) -> Account:
    # Both initdb and peer authentication look the name up, and fail without one.
    if not _is_named(uid):
        raise AccountUnknown(
            f"uid {uid} has no entry in /etc/passwd, and PostgreSQL runs only as a named account; "
            "add one to the image, run prefsvc as another account, or use a server of your own "
            "with PREFSVC_DATABASE_URL"
        )
    entry = pwd.getpwuid(uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _is_named(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _unprivileged() -> Account:
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise AccountUnknown(
        "PostgreSQL refuses to run as root, and there is no account named prefsvc, postgres or "
        "nobody; make one (useradd --system prefsvc) or run prefsvc as another account"
    )
