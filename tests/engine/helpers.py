"""Processes to look at, and to be cruel to."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from prefsvc.engine.account import Account
from prefsvc.engine.binaries import _folders

PROJECT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("service.py")
BINDIR = next(folder for folder in _folders(None) if (folder / "psql").exists())
LIMIT_SECONDS = 20

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

# What a connection says when its server has gone.
LOST = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

NOBODY = Account("nobody", 65534, 65534)
DAEMON = Account("daemon", 1, 1)


def psql(dsn, statement, *, account=None):
    """Return what a statement answers, one line a row."""
    return run([BINDIR / "psql", dsn, "-XAtc", statement], account=account).stdout.strip()


def run(command, *, account=None, **options):
    return subprocess.run(
        [str(word) for word in command],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        **identity(account),
        **options,
    )


def identity(account):
    if account is None or account.is_ours:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


@contextmanager
def service(data_dir, *, kind="service", account=None, bindir=None):
    """Run a process that holds an engine; yield it and what it said."""
    process = start(data_dir, kind=kind, account=account, bindir=bindir)
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(LIMIT_SECONDS)


def start(data_dir, *, kind="service", account=None, bindir=None):
    wishes = {"kind": kind, "data_dir": str(data_dir)}
    if bindir:
        wishes["bindir"] = str(bindir)
    # Another account's Python may be another one: ours would be wrong for it.
    path = [str(PROJECT)] if account else [str(PROJECT), *sys.path]
    return subprocess.Popen(
        [python(account), str(SCRIPT), json.dumps(wishes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"},
        **identity(account),
    )


def python(account):
    """Return a Python that the account can run, with nothing but the standard library."""
    if account is None:
        return sys.executable
    for candidate in (sys.executable, "/usr/bin/python3"):
        if is_good(candidate, account):
            return candidate
    pytest.skip(f"no Python 3.11 that {account.name} can run")


def is_good(candidate, account):
    code = "import sys; sys.exit(sys.version_info < (3, 11))"
    try:
        run([candidate, "-c", code], account=account)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def until(is_so, limit_seconds=LIMIT_SECONDS):
    """Wait for something to become true, which it does by itself."""
    deadline = time.monotonic() + limit_seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def kill(*pids):
    for pid in pids:
        with suppress(ProcessLookupError):  # a server's children leave with it
            os.kill(pid, signal.SIGKILL)


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_text()


def roomy_memory():
    """Return a folder in memory to make clusters in quickly, or None for the usual place."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        return None
    status = os.statvfs(folder)
    is_roomy = status.f_bavail * status.f_frsize > 2**30
    return folder if is_roomy and not status.f_flag & os.ST_NOEXEC else None
