"""A short, private folder for the server's socket, wherever the data directory may be."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefsvc.engine.account import ROOT_UID, Account
from prefsvc.engine.cluster import DATABASE, ROLE
from prefsvc.errors import DataDirectoryUnusable

RUN = Path("/run/prefsvc")
_LAST_BASES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - a folder of mode 0700 is made there
_NAME = ".s.PGSQL.5432"
_PREFIX = "prefsvc-"
# Nothing that means something in PostgreSQL's list of folders or in a DSN.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
_PATH_BYTES_MAX = 103  # of a socket on macOS; Linux has room for 107


def dsn(folder: Path) -> str:
    """Return the address of the server that listens in this folder."""
    return f"postgresql://{ROLE}@/{DATABASE}?host={folder}&port=5432"


def answers(folder: Path) -> bool:
    """Whether a server listens in this folder."""
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.connect(str(folder / _NAME))
        return True
    return False


@contextmanager
def folder(account: Account, spare: Path) -> Iterator[Path]:
    """Make a folder that only root and this account may enter; remove it in the end."""
    made = next((made for base in _bases(spare) if (made := _made(base, account))), None)
    if made is None:
        raise DataDirectoryUnusable(
            f"no folder was found for the server's socket that {account.name} may enter and whose "
            "path is short; set TMPDIR to one"
        )
    try:
        yield made
    finally:
        remove(made)


def remove(folder: Path) -> None:
    """Remove such a folder; what else may have got into it stays."""
    clear(folder)
    with suppress(OSError):
        folder.rmdir()


def clear(folder: Path) -> None:
    """Remove what a server that was killed has left in it."""
    for name in (_NAME, f"{_NAME}.lock"):
        with suppress(OSError):
            (folder / name).unlink()


def _bases(spare: Path) -> Iterator[Path]:
    # Not XDG_RUNTIME_DIR: it goes away when its user logs out, though a service goes on.
    if given := os.environ.get("RUNTIME_DIRECTORY"):  # by systemd
        yield Path(given.split(":")[0])
    if os.geteuid() == ROOT_UID:
        with suppress(OSError):
            RUN.mkdir(mode=0o755, exist_ok=True)
        yield RUN
    yield spare
    yield Path(tempfile.gettempdir()).resolve()
    yield from _LAST_BASES


def _made(base: Path, account: Account) -> Path | None:
    length = len(os.fsencode(base / f"{_PREFIX}12345678" / _NAME))
    if not _PLAIN.fullmatch(str(base)) or length > _PATH_BYTES_MAX:
        return None
    try:
        if not account.can_enter(base):
            return None
        made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    except OSError:
        return None
    if not _takes_sockets(made):
        shutil.rmtree(made, ignore_errors=True)
        return None
    account.give(made)
    return made


def _takes_sockets(folder: Path) -> bool:
    trial = folder / _NAME
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(trial))
        trial.unlink()
    except OSError:  # some network and desktop file systems
        return False
    return True
