"""What a killed service leaves in a cluster: a live server, its children, a stale lock file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prefsvc.errors import ForeignServer

MARK = "cluster_name=prefsvc"  # in the command line of every server that we start
_POLL_SECONDS = 0.01
_FAST_SHUTDOWN_SECONDS = 30
_END_SECONDS = 10


def clear(cluster: Path) -> None:
    """Stop every server process that still works on the cluster, and remove its lock file.

    Only for the holder of the data directory's lock, and while it has no server of its own.
    """
    lock_file = cluster / "postmaster.pid"
    if not lock_file.exists():
        return  # a clean stop removes it last
    _stop_all(cluster, lock_file)
    # Its pid may be a zombie's, or recycled: PostgreSQL would take it for a live server.
    lock_file.unlink(missing_ok=True)


def _stop_all(cluster: Path, lock_file: Path) -> None:
    server = server_pid(lock_file)
    if server in processes(cluster):
        _refuse_foreign(server, cluster)
        _signal(server, signal.SIGINT)
        _wait(cluster, _FAST_SHUTDOWN_SECONDS)
    end(cluster)


def end(cluster: Path) -> None:
    """End what works on a cluster and may be ended at any point, as children of a dead server.

    They leave by themselves, unless they are busy.
    """
    for way in (signal.SIGQUIT, signal.SIGKILL):
        for pid in processes(cluster):
            _signal(pid, way)
        _wait(cluster, _END_SECONDS)


def _signal(pid: int, way: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(pid, way)


def server_pid(lock_file: Path) -> int:
    """Return the process that wrote the lock file, or 0."""
    try:  # negative where somebody runs `postgres --single`
        return abs(int(lock_file.read_text("utf-8", errors="replace").split("\n")[0]))
    except (OSError, ValueError):
        return 0


def _refuse_foreign(server: int, cluster: Path) -> None:
    command = _command(server)
    if command and MARK not in command:
        raise ForeignServer(
            f"a PostgreSQL that prefsvc did not start (process {server}) runs on {cluster}; "
            "stop it first"
        )


def _wait(cluster: Path, limit_seconds: float) -> None:
    deadline = time.monotonic() + limit_seconds
    while processes(cluster) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def processes(cluster: Path) -> list[int]:
    """Return the live processes of PostgreSQL that work on the cluster; a zombie is not one."""
    found = _by_folder(cluster) if sys.platform == "linux" else _by_command(cluster)
    return list(found)


def _by_folder(cluster: Path) -> Iterator[int]:
    # Every process of a server works in its cluster's folder. Zombies have none.
    place = cluster.stat()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with suppress(OSError):  # it ended meanwhile, or is another account's
            if (entry / "comm").read_text() == "postgres\n":
                cwd = (entry / "cwd").stat()
                if (cwd.st_dev, cwd.st_ino) == (place.st_dev, place.st_ino):
                    yield int(entry.name)


def _by_command(cluster: Path) -> Iterator[int]:
    for line in _ps("-axo", "pid=,stat=,command=").splitlines():
        pid, state, command = (*line.split(maxsplit=2), "", "")[:3]
        if not state.startswith("Z") and f"/postgres -D {cluster} " in command:
            yield int(pid)


def _command(pid: int) -> str:
    if sys.platform == "linux":
        with suppress(OSError):
            return (Path("/proc") / str(pid) / "cmdline").read_text(errors="replace")
        return ""
    return _ps("-o", "command=", "-p", str(pid))


def _ps(*options: str) -> str:
    return subprocess.run(  # noqa: S603 - fixed options
        ["/bin/ps", *options], capture_output=True, encoding="utf-8", errors="replace", check=False
    ).stdout
