"""Making a cluster, whole or not at all, and preparing one that is there."""

import locale
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefsvc.engine import leftovers
from prefsvc.engine.account import Account, root_name
from prefsvc.engine.binaries import Binaries
from prefsvc.engine.directory import sync_folder
from prefsvc.errors import ClusterNotMade, DataDirectoryUnusable, ForeignMajorVersion

ROLE = "prefsvc"
DATABASE = "prefsvc"
_BUILTIN_LOCALE_SINCE = 17
_PROVIDERS_SINCE = 15
_LAST_WORDS_LINES = 8

# Only those two accounts, only as that role, only over the socket; no passwords, no trust.
_HBA = f"local all {ROLE} peer map=prefsvc\nlocal replication {ROLE} peer map=prefsvc\n"


def major_of(cluster: Path) -> int:
    """Return which major version made a cluster."""
    text = (cluster / "PG_VERSION").read_text("ascii", errors="replace").strip()
    if not text.isdecimal():
        raise ForeignMajorVersion(
            f"{cluster} was made by PostgreSQL {text}, which is too old; dump it with that version "
            "and restore the dump into a new data directory"
        )
    return int(text)


def make(place: Path, binaries: Binaries, account: Account) -> None:
    """Make a cluster with an empty database in it."""
    # A cluster that initdb left half-way has its PG_VERSION and even starts: hence aside, then
    # renamed. initdb and the checkpoint of `postgres --single` have flushed it by then.
    with _scratch(place) as scratch:
        account.give(scratch)
        _run(binaries, account, ["initdb", "-D", str(scratch), *_initdb_options(binaries.major)])
        _run(
            binaries,
            account,
            ["postgres", "--single", "-D", str(scratch), "-c", "exit_on_error=on", "postgres"],
            stdin=f"create database {DATABASE}\n",
        )
        scratch.rename(place)
    sync_folder(place.parent)


def admit(cluster: Path, account: Account) -> None:
    """Say who may connect; anew at each start, since the account may have been renamed."""
    if not account.can_enter(cluster.parent):
        raise DataDirectoryUnusable(
            f"{account.name} may not enter {cluster.parent}, where its cluster is; "
            f"let it pass through that folder and those above it"
        )
    names = sorted({root_name(), account.name})
    ident = "".join(f'prefsvc "{name}" {ROLE}\n' for name in names)
    for name, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", ident)):
        file = cluster / name
        if file.read_text("utf-8") != text:
            _overwrite(file, text)


def _overwrite(file: Path, text: str) -> None:
    # In place, so that it keeps its owner and mode; and never through a link, which the account
    # could have put there for root to write through.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w") as opened:
        opened.write(text)


@contextmanager
def _scratch(place: Path) -> Iterator[Path]:
    prefix = f"{place.name}.making-"
    kin = place.name.partition("-")[0]  # elsewhere, clusters have the data directory's mark first
    for left in place.parent.glob(f"{kin}*.making-*"):  # by one that was killed at it
        leftovers.end(left)
        shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _initdb_options(major: int) -> list[str]:
    libc = _libc_locale()
    options = [f"--locale={libc}"]
    if major >= _BUILTIN_LOCALE_SINCE:  # never reordered by an update of the C library
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    elif major >= _PROVIDERS_SINCE:
        options += ["--locale-provider=libc"]
    return [
        *options,
        f"--username={ROLE}",
        "--encoding=UTF8",
        "--lc-messages=C",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=reject",
    ]


def _libc_locale() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:  # an old macOS
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _run(binaries: Binaries, account: Account, program: list[str], *, stdin: str = "") -> None:
    name, *arguments = program
    done = account.run([binaries.program(name), *arguments], binaries.environment(), stdin=stdin)
    if done.returncode:
        raise ClusterNotMade(f"{name} of PostgreSQL {binaries.version} failed: {_end(done)}")


def _end(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return "\n".join(lines[-_LAST_WORDS_LINES:])
