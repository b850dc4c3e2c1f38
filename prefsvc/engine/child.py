"""What a child process does before or beside PostgreSQL: run as a script, never imported.

`launch PARENT SIGNAL UID GID PROGRAM ARGUMENT...` becomes that account, ties its life to the
parent's and turns into the program. `watch POSTGRES CLUSTER UID GID` waits for standard input to
close, which the parent's death does too, and then stops that server.

A script, because Python run between fork and exec (`preexec_fn`) may hang in a process with
threads. It needs the standard library alone, imported before the account changes: the new account
may be unable to read the rest of it.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def launch(parent: str, death_signal: str, uid: str, gid: str, *command: str) -> None:
    """Turn into the command, as that account."""
    _become(int(uid), int(gid))
    os.umask(0o077)
    os.chdir("/")  # ours may be closed to that account
    if int(death_signal):  # set last: a change of account clears it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(parent):
        sys.exit("the parent died before its child was ready")
    os.execv(command[0], command)  # noqa: S606 - the command is the engine's own


def watch(postgres: str, cluster: str, uid: str, gid: str) -> None:
    """Stop that server once nobody holds the other end of standard input."""
    lock_file = Path(cluster) / "postmaster.pid"
    _become(int(uid), int(gid))
    while os.read(0, 1):
        pass
    try:
        if lock_file.read_text().split("\n")[0] == postgres:  # else it has stopped by itself
            os.kill(int(postgres), signal.SIGINT)
    except OSError:
        sys.exit(0)


def _become(uid: int, gid: int) -> None:
    if uid != os.geteuid():
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


if __name__ == "__main__":
    task = launch if sys.argv[1] == "launch" else watch
    task(*sys.argv[2:])
