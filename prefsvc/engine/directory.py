"""The engine's part of the data directory: which file is where, and where the cluster lies."""

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from prefsvc.engine.account import ROOT_UID, Account
from prefsvc.errors import ClusterMissing, DataDirectoryUnusable

# Where clusters and programs go that the server's account could not reach in the data directory.
STATE = Path("/var/lib/prefsvc")


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory that we may write to."""

    root: Path

    @property
    def lock(self) -> Path:
        """Whoever holds a lock on this file holds the directory."""
        return self.root / "engine.lock"

    @property
    def notice(self) -> Path:
        """What the holder says of itself and its server."""
        return self.root / "engine.json"

    @property
    def log(self) -> Path:
        """What PostgreSQL has to say."""
        return self.root / "log" / "postgresql.log"

    @property
    def _pointer(self) -> Path:
        return self.root / "cluster.location"

    def cluster(self) -> Path | None:
        """Return where the cluster is, if one was made."""
        if self._pointer.exists():
            return self._pointed_to()
        here = self.root / "postgres"
        if not here.is_dir():
            return None
        if os.geteuid() not in {ROOT_UID, here.stat().st_uid}:
            return here  # closed to us; its owner will be asked for
        if not any(here.iterdir()):
            return None
        if not (here / "PG_VERSION").is_file():
            raise DataDirectoryUnusable(
                f"{here} holds something that is not a PostgreSQL cluster; move it away, or use "
                "another data directory"
            )
        return here

    def _pointed_to(self) -> Path:
        cluster = Path(self._pointer.read_text("utf-8").strip())
        if not (cluster / "PG_VERSION").is_file():
            # Never a new, empty one in its place: that would read as "nobody is suppressed".
            raise ClusterMissing(
                f"{self._pointer} says that the cluster is in {cluster}, and it is not there; "
                "mount or restore it, or remove that file to begin with an empty one"
            )
        return cluster

    def new_cluster(self, account: Account) -> Path:
        """Return where to make the cluster, so that the account can reach it."""
        if account.can_enter(self.root):
            return self.root / "postgres"
        mark = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        # Not the path alone: a directory that was moved away still uses what it pointed to.
        return _state("clusters", account) / f"{mark}-{secrets.token_hex(4)}"

    def keep(self, cluster: Path) -> None:
        """Remember where the cluster is, if it is not here."""
        if cluster.parent != self.root:
            self.write(self._pointer, f"{cluster}\n")

    def spare_binaries(self, account: Account) -> Path:
        """Return where to copy programs to, so that the account can reach them."""
        if account.can_enter(self.root):
            return self.root / "binaries"
        return _state("binaries", account)

    def write(self, path: Path, text: str) -> None:
        """Replace a small file at once and durably."""
        scratch = path.with_name(f"{path.name}.new")
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self.adopt(scratch)
        scratch.replace(path)
        sync_folder(path.parent)

    def adopt(self, path: Path) -> None:
        """Give what root made here to the directory's owner, who may be the service's account."""
        status = self.root.stat()
        if os.geteuid() == ROOT_UID != status.st_uid:
            os.chown(path, status.st_uid, status.st_gid)


def prepare(path: Path) -> DataDirectory:
    """Make the data directory if need be, and see that it can be used."""
    directory = DataDirectory(path.expanduser().resolve())
    try:
        _make(directory.root)
        directory.log.parent.mkdir(mode=0o700, exist_ok=True)
        directory.adopt(directory.log.parent)
        directory.lock.touch(mode=0o600)
        directory.adopt(directory.lock)
    except OSError as error:
        raise DataDirectoryUnusable(
            f"{directory.root} cannot be used as data directory by uid {os.geteuid()} "
            f"({error.strerror}); change its owner or mode, or choose another one"
        ) from error
    return directory


def sync_folder(folder: Path) -> None:
    """Make names in this folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(root: Path) -> None:
    if root.is_dir():
        return  # its mode is the operator's, and so are those of the folders above it
    root.mkdir(parents=True)
    # Where we are root, PostgreSQL's account must get through to the cluster.
    root.chmod(0o711 if os.geteuid() == ROOT_UID else 0o700)


def _state(name: str, account: Account) -> Path:
    folder = STATE / name
    try:
        for made in (STATE, folder):
            if not made.exists():
                made.mkdir(parents=True)
                made.chmod(0o711)
    except OSError as error:
        raise _unreachable(account, f"{error.strerror}: {folder}") from error
    if not account.can_enter(folder):
        raise _unreachable(account, f"it may not enter {folder}")
    return folder


def _unreachable(account: Account, reason: str) -> DataDirectoryUnusable:
    return DataDirectoryUnusable(
        f"PostgreSQL runs as {account.name}, who may not enter the data directory, and the cluster "
        f"cannot be kept elsewhere ({reason}); use a data directory that {account.name} may enter"
    )
